package cantonlb

import (
	"encoding/json"
	"fmt"

	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/strictjson"
)

// maxServiceConfig bounds the user's service config, in bytes.
const maxServiceConfig = 1 << 20

// serviceConfig makes the channel's service config out of the policy and the
// user's own, which has no say in load balancing. cfg is changed if the user
// names the service to be asked for there.
func serviceConfig(policy string, cfg *settings.Config, user string) (string, error) {
	out := make(map[string]any)
	if user != "" {
		if err := mergeUser(out, cfg, user); err != nil {
			return "", err
		}
	}
	out["loadBalancingConfig"] = []any{map[string]any{policy: cfg}}
	text, err := json.Marshal(out)
	return string(text), err
}

func mergeUser(out map[string]any, cfg *settings.Config, user string) error {
	if len(user) > maxServiceConfig {
		return &strictjson.Error{Field: "serviceConfig", Want: fmt.Sprintf("at most %d bytes", maxServiceConfig)}
	}
	keep := func(key string) func(json.RawMessage) error {
		return func(raw json.RawMessage) error { out[key] = raw; return nil }
	}
	ours := func(json.RawMessage) error {
		return &strictjson.Error{Want: "no load balancing: it is set by the other fields of Config"}
	}
	err := strictjson.Object([]byte(user), map[string]func(json.RawMessage) error{
		"methodConfig":        keep("methodConfig"),
		"retryThrottling":     keep("retryThrottling"),
		"loadBalancingConfig": ours,
		"loadBalancingPolicy": ours,
		"healthCheckConfig": func(raw json.RawMessage) error {
			var service string
			err := strictjson.Object(raw, map[string]func(json.RawMessage) error{
				"serviceName": strictjson.String(&service, healthServiceLimit),
			})
			switch {
			case err != nil:
				return err
			case cfg.HealthCheck.Disabled, cfg.HealthCheck.HTTP != "", cfg.HealthCheck.GRPCPort != 0:
				out["healthCheckConfig"] = raw // grpc's own Watch, besides what we do
			case cfg.HealthCheck.Service == "":
				cfg.HealthCheck.Service = service
			case cfg.HealthCheck.Service != service:
				out["healthCheckConfig"] = raw // both have to pass
			}
			return nil
		},
	})
	return strictjson.Prefix("serviceConfig", err)
}

// healthServiceLimit bounds the name of a health service, in bytes.
const healthServiceLimit = 512
