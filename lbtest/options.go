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

// WithServerOptions adds these options to every server, after the kit's own.
// Transport credentials are set this way; the client then appends its own to
// [Cluster.DialOptions]. An interceptor set by grpc.UnaryInterceptor or
// grpc.StreamInterceptor runs before the kit's; a chained one runs after it.
func WithServerOptions(opts ...grpc.ServerOption) Option {
	return func(o *options) { o.serverOptions = append(o.serverOptions, opts...) }
}

// WithHealthServices adds these service names to the health service of every
// server, in addition to "". Each is SERVING at first. For an unknown name, Check
// answers NOT_FOUND and Watch answers SERVICE_UNKNOWN.
func WithHealthServices(names ...string) Option {
	return func(o *options) { o.healthServices = append(o.healthServices, names...) }
}

// WithoutHealth leaves out the health service, so that Check and Watch are answered
// with UNIMPLEMENTED. They are still counted.
func WithoutHealth() Option {
	return func(o *options) { o.noHealth = true }
}

// WithTLS sets up TLS, with a separate authority for each server, for the servers
// with these indexes, or for all servers if there are none. The others stay in
// plaintext. See [Server.CA] and [Server.URL]. [Cluster.DialOptions] has no
// credentials then.
func WithTLS(servers ...int) Option {
	return func(o *options) {
		o.tls = func(i int) bool { return len(servers) == 0 || slices.Contains(servers, i) }
	}
}

// WithClientCerts makes the servers with TLS require a client certificate of their
// own authority, see [Server.ClientCert].
func WithClientCerts() Option {
	return func(o *options) { o.clientCerts = true }
}

// WithTokens makes every server require its own token with every call, including
// those of the health service: see [Server.Token]. A call without the token, or
// with another one, is counted and answered with UNAUTHENTICATED.
func WithTokens() Option {
	return func(o *options) { o.tokens = true }
}

// WithHealthPort moves the health service of every server to a port of its own, see
// [Server.HealthAddr]. It has the same security as the port for calls.
func WithHealthPort() Option {
	return func(o *options) { o.healthPort = true }
}

// WithHealthPage adds an HTTP health page to every server, on a port of its own, in
// addition to the health service: see [Server.HealthPageURL]. Any path answers 200
// if the health status of "" is SERVING, and 503 otherwise. The page requires no
// token. It has the same security as the port for calls, except that it requires no
// client certificate.
func WithHealthPage() Option {
	return func(o *options) { o.healthPage = true }
}
