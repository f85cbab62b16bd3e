package cantonlb

import (
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/resolver"
)

// credentialsOf finds out which transport credentials a channel with these
// options would use, so that they can be wrapped: a dial option cannot be looked
// into, but a resolver is told. The channel made for that connects to nothing.
// It gives nil if the channel has a credentials bundle instead.
func credentialsOf(opts []grpc.DialOption) (credentials.TransportCredentials, error) {
	s := new(scout)
	conn, err := grpc.NewClient(resolver.Scheme+":///scout", append(slices.Clip(opts), grpc.WithResolvers(s))...)
	if err != nil {
		return nil, err
	}
	conn.Connect() // builds the resolver before it returns
	return s.creds, conn.Close()
}

// scout is a resolver that resolves nothing.
type scout struct {
	creds credentials.TransportCredentials
}

func (*scout) Scheme() string { return resolver.Scheme }

func (s *scout) Build(_ grpcresolver.Target, _ grpcresolver.ClientConn, o grpcresolver.BuildOptions) (grpcresolver.Resolver, error) {
	if o.CredsBundle == nil {
		s.creds = o.DialCreds
	}
	return s, nil
}

func (*scout) ResolveNow(grpcresolver.ResolveNowOptions) {}

func (*scout) Close() {}
