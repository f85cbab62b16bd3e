package transport

import (
	"errors"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/resolver"
)

// CheckEndpoint tells what keeps the endpoint, or its health target, from being
// secured as it asks, the content of its files included. It implements
// resolver.EndpointCredentials.
func (c *Credentials) CheckEndpoint(e resolver.Endpoint) *resolver.ConfigError {
	if err := c.checkSecurity(e); err != nil {
		return err
	}
	if err := c.checkFiles(e); err != nil {
		return err
	}
	if target, elsewhere := e.HealthEndpoint(); elsewhere {
		target.TokenFile = "" // it is the endpoint's
		if err := c.checkFiles(target); err != nil {
			err.Field = "health." + err.Field
			return err
		}
	}
	return nil
}

func (c *Credentials) checkSecurity(e resolver.Endpoint) *resolver.ConfigError {
	switch {
	case e.Security() == resolver.SecurityUnset && c.channel == nil:
		return &resolver.ConfigError{
			Field: "address", Value: e.Address, Problem: "does not say whether the connection is to be TLS or plaintext",
			Want: "https:// or http:// before it, or transport credentials for the channel",
		}
	case e.HasToken() && !e.AllowInsecureTokens && e.Security() == resolver.SecurityUnset && c.isPlaintext():
		return &resolver.ConfigError{
			Field: "address", Value: e.Address, Problem: "the endpoint's token would be sent over plaintext",
			Want: "https:// before it, or allowInsecureTokens",
		}
	case c.channel == nil || !e.TLS.IsZero():
		return nil
	default:
		return resolver.CheckScheme(e, c.channel.Info().SecurityProtocol)
	}
}

// checkFiles reads the endpoint's files, and remembers what is in them.
func (c *Credentials) checkFiles(e resolver.Endpoint) *resolver.ConfigError {
	f := &c.shared.files
	fault := func(field, path string, err error) *resolver.ConfigError {
		return &resolver.ConfigError{Field: field, Value: path, Problem: cleantext.Detail(err.Error()), Want: wantOf[field]}
	}
	if c.hasOwnTLS(e) {
		c.shared.sawTLS.Store(true)
	}
	if path := e.TLS.RootCAFile; path != "" {
		if _, err := f.roots(path).get(); err != nil {
			return fault("tls.rootCAFile", path, err)
		}
	}
	if e.TLS.CertFile != "" {
		if _, err := f.pair(e.TLS).get(); err != nil {
			return fault("tls.certFile", e.TLS.CertFile, err)
		}
	}
	if path := e.TokenFile; path != "" {
		if _, err := f.token(path).get(); err != nil {
			return fault("tokenFile", path, err)
		}
	}
	return nil
}

var wantOf = map[string]string{
	"tls.rootCAFile": "a file with at least one certificate in PEM",
	"tls.certFile":   "a file with the client's certificate in PEM, and its key in keyFile",
	"tokenFile":      "a file with the token alone, in printable ASCII",
}

// Problem tells which files of an endpoint have changed to something that cannot
// be used, so that what they held before is still in force; nil if none has.
func (c *Credentials) Problem(e resolver.Endpoint) error {
	f := &c.shared.files
	errs := []error{f.problem(e)}
	if target, elsewhere := e.HealthEndpoint(); elsewhere {
		errs = append(errs, f.problem(resolver.Endpoint{TLS: target.TLS}))
	}
	return errors.Join(errs...)
}
