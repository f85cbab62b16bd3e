package resolver

import (
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/fault"
)

// EndpointCredentials are transport credentials that secure the connection of each
// endpoint as its settings ask. With any other transport credentials, an endpoint with
// its own TLS settings or token is an error.
type EndpointCredentials interface {
	credentials.TransportCredentials

	// CheckEndpoint returns an error if a connection to the endpoint cannot be secured
	// as its settings ask: a *configerr.Error whose Field is relative to the endpoint
	// ("tls.certFile"), or several joined. It may read files.
	CheckEndpoint(e Endpoint) error
}

// insecureProtocol is the security protocol of grpc's plaintext credentials.
const insecureProtocol = "insecure"

// channelCredentials returns the channel's credentials, or nil if there are none.
func channelCredentials(opts grpcresolver.BuildOptions) credentials.TransportCredentials {
	if opts.DialCreds == nil && opts.CredsBundle != nil {
		return opts.CredsBundle.TransportCredentials()
	}
	return opts.DialCreds
}

// checkSecurity returns an error for a list with an endpoint that the credentials of a
// channel cannot secure as its settings ask.
func checkSecurity(list []Endpoint, from source, creds credentials.TransportCredentials) error {
	if creds == nil {
		return nil
	}
	check := func(e Endpoint) error { return checkAlike(e, creds.Info().SecurityProtocol) }
	if c, ok := creds.(EndpointCredentials); ok {
		check = c.CheckEndpoint
	}
	var faults fault.List
	for i, e := range list {
		faults.Add(fault.Map(check(e), func(err error) error { return from.place(i, err) }))
	}
	return faults.Err()
}

// checkAlike checks an endpoint under credentials that secure all endpoints alike, by
// this protocol.
func checkAlike(e Endpoint, protocol string) error {
	const want = "cantonlb.NewClient without a credentials bundle, or the credentials of cantonlb.DialOptions"
	var faults fault.List
	if !e.TLS.IsZero() || !e.Health.TLS.IsZero() {
		faults.AddIn("tls", wrong(want, "the channel's credentials secure all endpoints alike"))
	}
	if e.HasToken() {
		faults.AddIn(e.tokenField(), wrong(want, "the channel's credentials do not identify the endpoint of a call"))
	}
	if err := faults.Err(); err != nil {
		return err
	}
	return CheckScheme(e, protocol)
}

// CheckScheme returns an error if the scheme of an endpoint's address contradicts the
// security protocol of the channel's credentials, such as "tls" or "insecure". The
// protocol "" means that it is not known. The error is a *configerr.Error, whose Field
// is relative to the endpoint.
func CheckScheme(e Endpoint, protocol string) error {
	asks := e.Security()
	insecure := protocol == insecureProtocol
	if protocol == "" || asks == SecurityUnset || insecure == (asks == SecurityPlaintext) {
		return nil
	}
	want := "TLS credentials for the channel, or an address without https://"
	if asks == SecurityPlaintext {
		want = "plaintext credentials for the channel, or an address without http://"
	}
	err := bad(e.Address, want, "endpoint %s asks for %s while the channel's credentials are %q", shown(e.Name), asks, protocol)
	err.Field = "address"
	return err
}
