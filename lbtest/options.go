package lbtest

import (
	"slices"

	"google.golang.org/grpc"
)

// Option changes how [NewCluster] builds its servers.
type Option func(*options)

type options struct {
	tcp            bool
	serverOptions  []grpc.ServerOption
	noHealth       bool
	healthServices []string
	tls            func(server int) bool // nil: none
	clientCerts    bool
	tokens         bool
	healthPort     bool
	healthPage     bool
}

// OnTCP makes the servers listen on 127.0.0.1, each on a free port that it
// keeps across restarts. The default is bufconn: connections in memory, which
// also work inside testing/synctest.
func OnTCP() Option {
	return func(o *options) { o.tcp = true }
}

// WithServerOptions gives every server these options, after the kit's own.
// Transport credentials are set this way; the client then appends its own to
// [Cluster.DialOptions]. An interceptor set by grpc.UnaryInterceptor or
// grpc.StreamInterceptor runs before the kit's; a chained one runs after it.
func WithServerOptions(opts ...grpc.ServerOption) Option {
	return func(o *options) { o.serverOptions = append(o.serverOptions, opts...) }
}

// WithHealthServices makes the health service of every server know these
// service names, besides "", each SERVING at first. A name that it does not
// know is answered with NOT_FOUND by Check and SERVICE_UNKNOWN by Watch.
func WithHealthServices(names ...string) Option {
	return func(o *options) { o.healthServices = append(o.healthServices, names...) }
}

// WithoutHealth leaves the health service out, so that Check and Watch are
// answered with UNIMPLEMENTED. They are counted all the same.
func WithoutHealth() Option {
	return func(o *options) { o.noHealth = true }
}

// WithTLS gives the servers with these indexes, or all if none is named, TLS with
// an authority of their own each; the others stay in plaintext. See [Server.CA]
// and [Server.URL]. [Cluster.DialOptions] has no credentials then.
func WithTLS(servers ...int) Option {
	return func(o *options) {
		o.tls = func(i int) bool { return len(servers) == 0 || slices.Contains(servers, i) }
	}
}

// WithClientCerts makes the servers with TLS want a client's certificate of their
// own authority, see [Server.ClientCert].
func WithClientCerts() Option {
	return func(o *options) { o.clientCerts = true }
}

// WithTokens makes every server want a token of its own with every call, the
// health service's included: see [Server.Token]. A call without it, or with
// another one, is counted and answered with UNAUTHENTICATED.
func WithTokens() Option {
	return func(o *options) { o.tokens = true }
}

// WithHealthPort moves the health service of every server to a port of its own,
// see [Server.HealthAddr]. It is secured like the other port.
func WithHealthPort() Option {
	return func(o *options) { o.healthPort = true }
}

// WithHealthPage gives every server a health page over HTTP at a port of its own,
// see [Server.HealthPageURL], besides the health service. Any path answers 200 if
// the health status of "" is SERVING, and 503 if it is not. It asks for no token.
// It is secured like the other port, but for client certificates.
func WithHealthPage() Option {
	return func(o *options) { o.healthPage = true }
}
