package cantonlb

import (
	"context"
	"net"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/resolver"
)

// credentialsOf returns the transport credentials and the dialer that a channel with
// these options would use, so that they can be wrapped. A dial option cannot be
// inspected, but a resolver receives them. The channel made for this makes no
// connection. creds is nil if the options have none, or if they have a credentials
// bundle.
func credentialsOf(opts []grpc.DialOption) (s *scout, err error) {
	// A bundle and credentials exclude each other, so the placeholder is omitted if
	// there is a bundle. Any other fault appears both times.
	withPlaceHolder := slices.Concat([]grpc.DialOption{grpc.WithTransportCredentials(placeHolder{})}, opts)
	if s, err = scoutOf(withPlaceHolder); err != nil {
		s, err = scoutOf(opts)
	}
	if _, none := s.creds.(placeHolder); none {
		s.creds = nil
	}
	return s, err
}

func scoutOf(opts []grpc.DialOption) (*scout, error) {
	s := new(scout)
	conn, err := grpc.NewClient(resolver.Scheme+":///scout", append(slices.Clip(opts), grpc.WithResolvers(s))...)
	if err != nil {
		return s, err
	}
	conn.Connect() // builds the resolver before it returns
	return s, conn.Close()
}

// placeHolder represents transport credentials where there are none.
type placeHolder struct {
	credentials.TransportCredentials
}

func (placeHolder) Info() credentials.ProtocolInfo { return credentials.ProtocolInfo{} }

func (p placeHolder) Clone() credentials.TransportCredentials { return p }

// scout is a resolver that resolves nothing. creds and bundle are the channel's
// transport credentials, or that it has a bundle instead, and dial is its dialer.
type scout struct {
	creds  credentials.TransportCredentials
	bundle bool
	dial   func(context.Context, string) (net.Conn, error)
}

func (*scout) Scheme() string { return resolver.Scheme }

func (s *scout) Build(_ grpcresolver.Target, _ grpcresolver.ClientConn, o grpcresolver.BuildOptions) (grpcresolver.Resolver, error) {
	s.dial = o.Dialer
	if s.bundle = o.CredsBundle != nil; !s.bundle {
		s.creds = o.DialCreds
	}
	return s, nil
}

func (*scout) ResolveNow(grpcresolver.ResolveNowOptions) {}

func (*scout) Close() {}
