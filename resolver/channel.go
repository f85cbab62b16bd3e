package resolver

import (
	"cmp"
	"log/slog"
	"sync"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"
)

// channel is the resolver of one channel of grpc.
type channel struct {
	list      *Static
	cc        grpcresolver.ClientConn
	creds     credentials.TransportCredentials // of the channel; nil if not known
	authority string                           // chosen by the program for the channel, or ""
	claim     *Claim

	closed bool // guarded by list.mu

	// pushing is held during cc.UpdateState, so that a push of an older list never
	// follows a push of a newer one. Static documents the lock order.
	pushing sync.Mutex
	warned  bool // guarded by pushing
}

// ResolveNow does nothing: resolving again does not change the list.
func (c *channel) ResolveNow(grpcresolver.ResolveNowOptions) {}

// Close ends the pushes. A push in progress may end after Close returns, which grpc
// allows. Waiting for it could deadlock with a policy that waits for grpc.
func (c *channel) Close() { c.list.detach(c) }

// push pushes the current list to the channel, and returns the error of the channel's
// policy. unclaimed is true, once, if no policy of this module is in charge.
func (c *channel) push() (unclaimed bool, err error) {
	c.pushing.Lock()
	defer c.pushing.Unlock()
	list, open := c.list.current(c)
	if !open {
		return false, nil
	}
	if err := c.cc.UpdateState(c.state(list)); err != nil {
		return false, err
	}
	unclaimed = !c.warned && !c.claim.isTaken()
	c.warned = c.warned || unclaimed
	return unclaimed, nil
}

// warnUnclaimed logs that no policy of this module is in charge of a channel. The log
// handler is code of the program, so no lock of this package may be held.
func warnUnclaimed(list []Endpoint) {
	slog.Warn("no policy of cantonlb is in charge of a channel: the health of its endpoints is not checked. "+
		"Use cantonlb.NewClient, or import github.com/cantonlb/cantonlb/balancer and select its policy by "+
		"grpc.WithDefaultServiceConfig(`{\"loadBalancingConfig\":[{\"healthy_round_robin\":{}}]}`), "+
		"with grpc.WithNoProxy() where HTTPS_PROXY is set", "endpoint", list[0].Name, "others", len(list)-1)
}

// state returns the list in the form of grpc. It has no service config on purpose.
func (c *channel) state(list []Endpoint) grpcresolver.State {
	endpoints := make([]grpcresolver.Endpoint, len(list))
	for i, e := range list {
		endpoints[i] = grpcresolver.Endpoint{
			Attributes: attributes.New(identity{}, e),
			Addresses: []grpcresolver.Address{{
				Addr:       e.HostPort(),
				ServerName: cmp.Or(e.ServerName, c.authority, e.Authority()),
				Attributes: attributes.New(identity{}, e.connecting()),
			}},
		}
	}
	return grpcresolver.State{Endpoints: endpoints, Attributes: c.claim.addTo(c.list.attributes)}
}
