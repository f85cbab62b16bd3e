package resolver

import (
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/fault"
)

// EndpointCredentials are transport credentials that secure the connection of
// each endpoint as it asks. Under any others a list may ask for nothing of its
// own: an endpoint with TLS settings or a token is an error.
type EndpointCredentials interface {
	credentials.TransportCredentials

	// CheckEndpoint returns an error if a connection to the endpoint cannot be
	// secured as it asks: a *configerr.Error whose Field is relative to the endpoint
	// ("tls.certFile"), or several joined. It may look at files.
	CheckEndpoint(e Endpoint) error
}

// insecureProtocol is what grpc's plaintext credentials call themselves.
const insecureProtocol = "insecure"

// channelCredentials gives the channel's credentials; nil if there are none to ask.
func channelCredentials(opts grpcresolver.BuildOptions) credentials.TransportCredentials {
	if opts.DialCreds == nil && opts.CredsBundle != nil {
		return opts.CredsBundle.TransportCredentials()
	}
	return opts.DialCreds
}

// checkSecurity refuses a list with an endpoint that cannot have what it asks for
// under the credentials of a channel.
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

// checkAlike is for credentials that secure all endpoints alike, by this protocol.
func checkAlike(e Endpoint, protocol string) error {
	const want = "cantonlb.NewClient without a credentials bundle, or the credentials of cantonlb.DialOptions"
	var faults fault.List
	if !e.TLS.IsZero() || !e.Health.TLS.IsZero() {
		faults.AddIn("tls", wrong(want, "the channel's credentials secure all endpoints alike"))
	}
	if e.HasToken() {
		faults.AddIn(e.tokenField(), wrong(want, "the channel's credentials do not tell which endpoint a call goes to"))
	}
	if err := faults.Err(); err != nil {
		return err
	}
	return CheckScheme(e, protocol)
}

// CheckScheme returns an error if the scheme of an endpoint's address contradicts
// the security protocol of the channel's credentials, such as "tls" or "insecure";
// "" is one that is not known. It is a *configerr.Error, whose Field is relative to
// the endpoint.
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
