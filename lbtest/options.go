package lbtest

import (
	"google.golang.org/grpc"
)

// Option changes how [NewCluster] builds its servers.
type Option func(*options)

type options struct {
	tcp            bool
	serverOptions  []grpc.ServerOption
	noHealth       bool
	healthServices []string
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
