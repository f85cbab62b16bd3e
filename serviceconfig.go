package cantonlb

import (
	"encoding/json"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// maxServiceConfig bounds the user's service config, in bytes.
const maxServiceConfig = 1 << 20

// userConfig is what the user's service config adds to the channel's, by key.
type userConfig map[string]any

// with returns the channel's service config, as JSON: the user's and the policy.
func (u userConfig) with(policy Policy, cfg settings.Config) (string, error) {
	u["loadBalancingConfig"] = []any{map[Policy]any{policy: cfg}}
	text, err := json.Marshal(u)
	return string(text), err
}

// readServiceConfig reads the user's service config, which may not choose the load
// balancing. health is changed if the user names there the service to ask for.
func readServiceConfig(text string, health *healthcheck.Config) (userConfig, error) {
	user := make(userConfig)
	if text == "" {
		return user, nil
	}
	if len(text) > maxServiceConfig {
		return nil, &configerr.Error{Field: "serviceConfig", Want: fmt.Sprintf("at most %d bytes", maxServiceConfig)}
	}
	keep := func(key string) func(json.RawMessage) error {
		return func(raw json.RawMessage) error { user[key] = raw; return nil }
	}
	ours := func(json.RawMessage) error {
		return &configerr.Error{Want: "no load balancing: it is set by the other fields of Config"}
	}
	err := strictjson.Object([]byte(text), map[string]func(json.RawMessage) error{
		"methodConfig":        keep("methodConfig"),
		"retryThrottling":     keep("retryThrottling"),
		"loadBalancingConfig": ours,
		"loadBalancingPolicy": ours,
		"healthCheckConfig": func(raw json.RawMessage) error {
			var service string
			err := strictjson.Object(raw, map[string]func(json.RawMessage) error{
				"serviceName": strictjson.String(&service, healthcheck.MaxService),
			})
			switch {
			case err != nil:
				return err
			case health.Disabled, health.HTTP != "", health.GRPCPort != 0:
				user["healthCheckConfig"] = raw // grpc's own Watch, besides what we do
			case health.Service == "":
				health.Service = service
			case health.Service != service:
				user["healthCheckConfig"] = raw // both have to pass
			}
			return nil
		},
	})
	if err == nil {
		err = askGRPC(text)
	}
	return user, fault.Prefix("serviceConfig", err)
}

// askGRPC finds out what grpc says of a service config, by making a channel that
// connects to nothing.
func askGRPC(serviceConfig string) error {
	conn, err := grpc.NewClient("passthrough:///unused", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		return &configerr.Error{Problem: cleantext.Detail(err.Error()), Want: "one that grpc takes"}
	}
	return conn.Close()
}
