package transport

import (
	"errors"
	"strconv"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/resolver"
)

// CheckEndpoint returns an error if the endpoint, or its health target, cannot be
// secured as configured, the content of its files included. It implements
// resolver.EndpointCredentials.
func (c *Credentials) CheckEndpoint(e resolver.Endpoint) error {
	var faults fault.List
	faults.Add(c.checkSecurity(e))
	c.checkFiles(&faults, "", e)
	if target, elsewhere := e.HealthEndpoint(); elsewhere {
		target.TokenFile = "" // it belongs to the endpoint
		c.checkFiles(&faults, "health", target)
	}
	return faults.Err()
}

func (c *Credentials) checkSecurity(e resolver.Endpoint) error {
	socket := e.UnixSocket() != ""
	switch {
	case socket && c.channel == nil && e.Security() == resolver.SecurityUnset && !socketSuffices(e):
		return &configerr.Error{
			Field: "health.grpcPort", Value: strconv.Itoa(e.Health.GRPCPort),
			Problem: "does not say whether the connection is to be TLS or plaintext",
			Want:    "health.grpcAddress with https:// or http:// before it, or transport credentials for the channel",
		}
	case e.Security() == resolver.SecurityUnset && c.channel == nil && !socket:
		return &configerr.Error{
			Field: "address", Value: fault.Quote(e.Address), Problem: "does not say whether the connection is to be TLS or plaintext",
			Want: "https:// or http:// before it, or transport credentials for the channel",
		}
	case e.HasToken() && !e.AllowInsecureTokens && e.Security() == resolver.SecurityUnset && (c.isPlaintext() || socket && c.channel == nil):
		want := "https:// before it, or allowInsecureTokens"
		if socket {
			want = "TLS settings of the endpoint, or allowInsecureTokens"
		}
		return &configerr.Error{
			Field: "address", Value: fault.Quote(e.Address), Problem: "the endpoint's token would be sent over plaintext", Want: want,
		}
	case c.channel == nil || !e.TLS.IsZero():
		return nil
	default:
		return resolver.CheckScheme(e, c.channel.Info().SecurityProtocol)
	}
}

// socketSuffices reports whether the health target of an endpoint at a Unix domain
// socket says how it is secured: another port of this machine does not.
func socketSuffices(e resolver.Endpoint) bool {
	target, elsewhere := e.HealthEndpoint()
	return !elsewhere || e.Health.GRPCPort == 0 || target.Security() != resolver.SecurityUnset
}

// checkFiles reads the endpoint's files and keeps their content.
func (c *Credentials) checkFiles(faults *fault.List, field string, e resolver.Endpoint) {
	f := &c.shared.files
	check := func(part, path string, read func() error) {
		if path == "" {
			return
		}
		if err := read(); err != nil {
			faults.AddIn(field, &configerr.Error{
				Field: part, Value: fault.Quote(path), Problem: cleantext.Detail(err.Error()), Want: wantOf[part],
			})
		}
	}
	if c.hasOwnTLS(e) {
		c.shared.sawTLS.Store(true)
	}
	check("tls.rootCAFile", e.TLS.RootCAFile, func() error { _, err := f.roots(e.TLS.RootCAFile).get(); return err })
	check("tls.certFile", e.TLS.CertFile, func() error { _, err := f.pair(e.TLS).get(); return err })
	check("tokenFile", e.TokenFile, func() error { _, err := f.token(e.TokenFile).get(); return err })
}

var wantOf = map[string]string{
	"tls.rootCAFile": "a file with at least one certificate in PEM",
	"tls.certFile":   "a file with the client's certificate in PEM, and its key in keyFile",
	"tokenFile":      "a file with the token alone, in printable ASCII",
}

// Problem reports which files of an endpoint have changed to unusable content, so
// that their previous content is still used. It returns nil if none has.
func (c *Credentials) Problem(e resolver.Endpoint) error {
	f := &c.shared.files
	errs := []error{f.problem(e)}
	if target, elsewhere := e.HealthEndpoint(); elsewhere {
		errs = append(errs, f.problem(resolver.Endpoint{TLS: target.TLS}))
	}
	return errors.Join(errs...)
}
