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

// userConfig holds what the user's service config adds to the channel's, by key.
type userConfig map[string]any

// with returns the channel's service config as JSON: that of the user, and the policy.
func (u userConfig) with(policy Policy, cfg settings.Config) (string, error) {
	u["loadBalancingConfig"] = []any{map[Policy]any{policy: cfg}}
	text, err := json.Marshal(u)
	return string(text), err
}

// readServiceConfig reads the user's service config, which may not configure load
// balancing. It sets the service in health if the user names one in the service config.
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
				user["healthCheckConfig"] = raw // grpc's own Watch, besides the probes
			case health.Service == "":
				health.Service = service
			case health.Service != service:
				user["healthCheckConfig"] = raw // both must pass
			}
			return nil
		},
	})
	if err == nil {
		err = askGRPC(text)
	}
	return user, fault.Prefix("serviceConfig", err)
}

// askGRPC checks a service config by making a grpc channel with it, which makes no
// connection.
func askGRPC(serviceConfig string) error {
	conn, err := grpc.NewClient("passthrough:///unused", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		return &configerr.Error{Problem: cleantext.Detail(err.Error()), Want: "a service config that grpc accepts"}
	}
	return conn.Close()
}
