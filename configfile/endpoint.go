package configfile

import (
	"encoding/json"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/resolver"
)

// endpointKeys returns the keys of an endpoint in a config file.
func endpointKeys(e *resolver.Endpoint) map[string]reader {
	return map[string]reader{
		"name":                strictjson.String(&e.Name, resolver.MaxNameLength),
		"address":             readAddress(&e.Address),
		"serverName":          strictjson.String(&e.ServerName, resolver.MaxAddressLength),
		"weight":              strictjson.Int(&e.Weight, 1, resolver.MaxWeight),
		"zone":                strictjson.String(&e.Zone, resolver.MaxZone),
		"priority":            strictjson.Int(&e.Priority, 0, resolver.MaxPriority),
		"tls":                 object(tlsKeys(&e.TLS)),
		"token":               readToken(&e.Token),
		"tokenFile":           readPath(&e.TokenFile),
		"allowInsecureTokens": strictjson.Bool(&e.AllowInsecureTokens),
		"health":              object(healthKeys(&e.Health)),
	}
}

func tlsKeys(t *resolver.TLS) map[string]reader {
	return map[string]reader{
		"rootCAFile": readPath(&t.RootCAFile),
		"rootCAPEM":  readPEM(&t.RootCAPEM),
		"certFile":   readPath(&t.CertFile),
		"keyFile":    readPath(&t.KeyFile),
	}
}

func healthKeys(h *resolver.HealthTarget) map[string]reader {
	return map[string]reader{
		"sameConnection": strictjson.Bool(&h.SameConnection),
		"grpcPort":       strictjson.Int(&h.GRPCPort, 1, maxPort),
		"grpcAddress":    readAddress(&h.GRPCAddress),
		"http":           readAddress(&h.HTTP),
		"tcp":            readAddress(&h.TCP),
		"service":        strictjson.String(&h.Service, healthcheck.MaxService),
		"expectedStatus": strictjson.Int(&h.ExpectedStatus, 200, 599),
		"tls":            object(tlsKeys(&h.TLS)),
		"serverName":     strictjson.String(&h.ServerName, resolver.MaxAddressLength),
		"sendToken":      strictjson.Bool(&h.SendToken),
	}
}

const maxPort = 65535

// readToken reads a token, in which environment variables are expanded. No error shows
// any part of it.
func readToken(dst *resolver.Secret) reader {
	return func(raw json.RawMessage) error {
		var text string
		if err := expanded(&text, resolver.MaxToken)(raw); err != nil {
			return err
		}
		*dst = resolver.NewSecret(text)
		return nil
	}
}

// readPEM leaves all checks of a text to the resolver, except that it refuses an empty
// one, which would be the same as no text. No error shows the text, since it may be a
// key by mistake.
func readPEM(dst *string) reader {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, dst) != nil || *dst == "" {
			return &configerr.Error{Want: "certificates in PEM, as text"}
		}
		return nil
	}
}

// readPath reads the path of a file, in which environment variables are expanded.
func readPath(dst *string) reader { return expanded(dst, resolver.MaxPath) }
