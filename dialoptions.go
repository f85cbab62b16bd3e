package cantonlb

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/dialer"
	"github.com/cantonlb/cantonlb/internal/endpointset"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/identity"
	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

// maxReceive is the size of messages that Canton's own client accepts: 128 MiB.
const maxReceive = 128 << 20

// connectTimeout bounds one attempt to connect, including the handshakes.
const connectTimeout = 5 * time.Second

// DialOptions returns the dial options with which a plain grpc channel has the policy,
// the limits and the typed errors of a Client. With cfg.Endpoints the channel's target
// may be anything under static:///, such as "static:///sequencers". Without them, the
// target holds the list.
//
// The target also names the channel in metrics. If another resolver supplies the list,
// cfg.Logger is not used (slog.Default is), and reissued calls are not counted in metrics.
//
// A plain channel still lacks part of what NewClient does. It connects at the first
// call, and that call returns the error if the list in the target is invalid or if the
// credentials cannot secure one of its endpoints. It has no Status, Drain, Update or WaitHealthy, and ignores
// ReresolveInterval. Do not set another default service config on it. The options
// include transport credentials if cfg has some, or if every endpoint of cfg states
// how it is secured. If other transport credentials follow them, dead connections
// cannot be closed early, a call beyond a server's limit of streams waits on the
// connection although another may be free, and a list with TLS settings or tokens is an error.
func DialOptions(cfg Config) ([]grpc.DialOption, error) {
	e, err := newEquipment(cfg, false)
	if err != nil {
		return nil, err
	}
	creds := cfg.TransportCredentials
	if creds != nil || e.list != nil && !slices.ContainsFunc(e.list.Endpoints(), saysNothing) {
		e.creds = transport.New(creds)
		e.defaults = append(e.defaults, e.credentials()...)
	}
	return append(e.defaults, e.fixed...), nil
}

// saysNothing reports whether an endpoint leaves its security to the channel.
func saysNothing(e Endpoint) bool {
	return e.Security() == resolver.SecurityUnset && e.UnixSocket() == ""
}

// equipment holds the dial options and the state that a channel of this package has.
type equipment struct {
	target   string
	list     *resolver.Static  // nil if the target holds the list
	defaults []grpc.DialOption // may be overridden by the user's options
	fixed    []grpc.DialOption // may not be overridden
	creds    *transport.Credentials
	gate     gate
	rescuer  *rescuer
	names    *names.Resolver
	dials    guard.Left // by the program's own dialer, that have not returned in time
	// set is the policy's set of endpoints, once the channel has one.
	set atomic.Pointer[endpointset.Set]
	// buildErr is the error of grpc's last build of the resolver.
	buildErr atomic.Pointer[error]
}

func newEquipment(cfg Config, needsList bool) (*equipment, error) {
	s, err := cfg.settle(needsList)
	if err != nil {
		return nil, err
	}
	rescue := newRescuer(cfg, s)
	e := &equipment{target: s.target, rescuer: rescue, names: names.New(cfg.lookUps())}
	dial := dialer.Dialer{Names: e.names, Proxies: dialer.ProxiesFromEnvironment()}
	e.defaults = []grpc.DialOption{
		grpc.WithDefaultServiceConfig(s.serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceive)),
		grpc.WithKeepaliveParams(cfg.Role.keepalive()),
		// The policy makes the pauses between attempts, with knocks, so there are none
		// of grpc's own.
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: connectTimeout}),
		// grpc's own handling of proxies would drop the endpoints' identity.
		grpc.WithContextDialer(dial.Dial),
	}
	e.fixed = []grpc.DialOption{
		grpc.WithIdleTimeout(0), // idle mode would discard all health
		grpc.WithChainUnaryInterceptor(e.gate.unary, rescue.unary), // the last is the innermost
		grpc.WithChainStreamInterceptor(e.gate.stream, rescue.stream),
	}
	options := &endpointset.Options{
		Logger: cfg.Logger, StandbyRefuses: presets[cfg.Role].refuses, Retries: rescue.tally, Validator: cfg.validator(),
		OnClose: e.names.Stop, Left: func() []string { return append(rescue.left(), e.dials.String()) },
	}
	attribute := resolver.WithAttribute(options.Attribute())
	if len(cfg.Endpoints) == 0 {
		e.fixed = append(e.fixed, grpc.WithResolvers(resolver.NewTargetBuilder(attribute)))
		return e, nil
	}
	e.list, err = resolver.New(cfg.Endpoints, attribute, resolver.WithOnClaim(func(handle any) {
		if set, ok := handle.(*endpointset.Set); ok {
			e.set.Store(set)
		}
	}))
	if err != nil {
		return nil, err
	}
	e.fixed = append(e.fixed, grpc.WithResolvers(recorder{Static: e.list, err: &e.buildErr}))
	return e, nil
}

// credentials returns the options with which each connection is secured as its
// endpoint asks, and each call carries the token of its endpoint.
func (e *equipment) credentials() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithTransportCredentials(e.creds), grpc.WithPerRPCCredentials(e.creds.Tokens())}
}

// recorder keeps the error of building the resolver, which grpc otherwise returns only
// from calls.
type recorder struct {
	*resolver.Static
	err *atomic.Pointer[error]
}

func (r recorder) Build(t grpcresolver.Target, cc grpcresolver.ClientConn, o grpcresolver.BuildOptions) (grpcresolver.Resolver, error) {
	built, err := r.Static.Build(t, cc, o)
	r.err.Store(&err)
	return built, err
}

// lookUps returns what resolves host names, nil for the system's resolver.
func (c Config) lookUps() names.Source {
	if c.DNS == nil {
		return nil
	}
	return c.DNS
}

// validator converts Validate to the form that the policy takes.
func (c Config) validator() identity.Validator {
	if c.Validate == nil {
		return nil
	}
	return func(ctx context.Context, cc grpc.ClientConnInterface, e Endpoint) (identity.Result, string) {
		v := c.Validate(ctx, cc, e)
		return identity.Result(v.Result), v.Detail
	}
}
