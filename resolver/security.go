package resolver

import (
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"
)

// EndpointCredentials are transport credentials that secure the connection of
// each endpoint as it asks. Under any others a list may ask for nothing of its
// own: an endpoint with TLS settings or a token is an error.
type EndpointCredentials interface {
	credentials.TransportCredentials

	// CheckEndpoint gives an error if a connection to the endpoint cannot be
	// secured as it asks; its Field is relative to the endpoint ("tls.certFile").
	// It may look at files.
	CheckEndpoint(e Endpoint) *ConfigError
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
	check := func(e Endpoint) *ConfigError { return checkAlike(e, creds.Info().SecurityProtocol) }
	if c, ok := creds.(EndpointCredentials); ok {
		check = c.CheckEndpoint
	}
	var failed failures
	for i, e := range list {
		if err := check(e); err != nil {
			err.Field = from.field(i, err.Field)
			failed.add(err)
		}
	}
	return failed.err()
}

// checkAlike is for credentials that secure all endpoints alike, by this protocol.
func checkAlike(e Endpoint, protocol string) *ConfigError {
	const want = "cantonlb.NewClient without a credentials bundle, or the credentials that cantonlb.DialOptions gives"
	wrong := func(field, want, problem string, args ...any) *ConfigError {
		err := bad("", want, problem, args...)
		err.Field = field
		return err
	}
	switch {
	case !e.TLS.IsZero() || !e.Health.TLS.IsZero():
		return wrong("tls", want, "the channel's credentials secure all endpoints alike")
	case e.HasToken():
		return wrong(e.tokenField(), want, "the channel's credentials do not tell which endpoint a call goes to")
	default:
		return CheckScheme(e, protocol)
	}
}

// CheckScheme gives an error if the scheme of an endpoint's address contradicts
// the security protocol of the channel's credentials, such as "tls" or "insecure";
// "" is one that is not known. The error's Field is relative to the endpoint.
func CheckScheme(e Endpoint, protocol string) *ConfigError {
	asks := e.Security()
	insecure := protocol == insecureProtocol
	if protocol == "" || asks == SecurityUnset || insecure == (asks == SecurityPlaintext) {
		return nil
	}
	want := "TLS credentials for the channel, or an address without https://"
	if asks == SecurityPlaintext {
		want = "plaintext credentials for the channel, or an address without http://"
	}
	err := bad(e.Address, want, "endpoint %q asks for %s while the channel's credentials are %q", shown(e.Name), asks, protocol)
	err.Field = "address"
	return err
}
