package transport

import (
	"net/netip"
	"slices"
	"sync"

	"google.golang.org/grpc"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/names"
)

// Raced returns the option of a grpc channel with a passthrough target that makes it
// race the addresses of the target's name, as the dialer finds them. Without it, such a
// channel has one address, so that grpc's pick_first has nothing to race. If to is
// valid, the channel connects to this IP address only. progress, which may be nil, is that
// of its attempts.
func Raced(to netip.Addr, progress *Progress) grpc.DialOption {
	return grpc.WithResolvers(raced{to, progress})
}

// raced builds resolvers in the place of grpc's passthrough.
type raced struct {
	to       netip.Addr
	progress *Progress
}

func (raced) Scheme() string { return "passthrough" }

func (b raced) Build(target grpcresolver.Target, cc grpcresolver.ClientConn, _ grpcresolver.BuildOptions) (grpcresolver.Resolver, error) {
	r := &racedResolver{cc: cc, address: target.Endpoint(), progress: b.progress}
	r.list = []grpcresolver.Address{r.line(Attempt{To: b.to, Found: r.found})}
	return r, cc.UpdateState(grpcresolver.State{Addresses: r.list})
}

// racedResolver is the resolver of one channel. Its first address is the name, which the
// dialer looks up, and stands for the first answer.
type racedResolver struct {
	cc       grpcresolver.ClientConn
	address  string
	progress *Progress

	mu   sync.Mutex // held while grpc is called, which does not call back
	list []grpcresolver.Address
	ips  []netip.Addr // of list
}

// line returns an address on whose line there is this attempt.
func (r *racedResolver) line(a Attempt) grpcresolver.Address {
	a.Progress = r.progress
	l := new(Line)
	l.Begin(&a)
	return With(grpcresolver.Address{Addr: r.address}, l)
}

// found adds the addresses that the dialer has found.
func (r *racedResolver) found(answers []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ips = names.Merge(r.ips, answers)
	known := len(r.list)
	for len(r.list) < len(r.ips) {
		r.list = append(r.list, r.line(Attempt{To: r.ips[len(r.list)]}))
	}
	if len(r.list) > known {
		_ = r.cc.UpdateState(grpcresolver.State{Addresses: slices.Clone(r.list)}) // an error means that the channel is closed
	}
}

func (*racedResolver) ResolveNow(grpcresolver.ResolveNowOptions) {}

func (*racedResolver) Close() {}
