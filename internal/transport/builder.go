package transport

import (
	"context"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/socket"
	"github.com/cantonlb/cantonlb/resolver"
)

// Builder is what the channel makes its connections with. Initialize it with
// NewBuilder.
type Builder struct {
	balancer.BuildOptions

	left *guard.Left // dials that have not returned in time
}

// NewBuilder returns the Builder of a channel with these options. Its Dialer returns
// when its context ends, whatever that of the options does.
func NewBuilder(opts balancer.BuildOptions) Builder {
	b := Builder{BuildOptions: opts, left: new(guard.Left)}
	if opts.Dialer != nil {
		b.Dialer = HeedingDialer(opts.Dialer, b.left)
	}
	return b
}

// Left names what has not returned although its time is up: dialers and credentials.
func (b Builder) Left() []string {
	left := []string{b.left.String()}
	if creds, ok := b.DialCreds.(*Credentials); ok {
		left = append(left, creds.shared.left.String())
	}
	return left
}

// Holds reports whether the connections are held: a Holder among the attributes of an
// address holds the connection to it.
func (b Builder) Holds() bool {
	_, ok := b.DialCreds.(*Credentials)
	return ok
}

// DialFunc makes connections like the channel's.
func (b Builder) DialFunc() healthcheck.DialFunc {
	if dial := b.Dialer; dial != nil {
		return func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) }
	}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		network, at := socket.Network(address)
		return new(net.Dialer).DialContext(ctx, network, at)
	}
}

// HTTPClient makes the client for a page at this endpoint.
func (b Builder) HTTPClient(at resolver.Endpoint) *http.Client {
	creds, ok := b.DialCreds.(*Credentials)
	if !ok {
		creds = New(nil)
	}
	return creds.HTTPClient(at, b.DialFunc())
}

// CredentialsFor gives the options of a channel to one endpoint: its own transport
// and call credentials, if the channel's credentials know endpoints.
func (b Builder) CredentialsFor(at resolver.Endpoint) []grpc.DialOption {
	if b.CredsBundle != nil {
		return append([]grpc.DialOption{grpc.WithCredentialsBundle(b.CredsBundle)}, authority(at)...)
	}
	if creds, ok := b.DialCreds.(*Credentials); ok {
		creds = creds.For(at)
		opts := []grpc.DialOption{grpc.WithTransportCredentials(creds), grpc.WithPerRPCCredentials(creds.Tokens())}
		//lint:ignore SA1019 grpc itself still refuses an authority that differs from it
		if creds.Info().ServerName == "" { //nolint:staticcheck // as above
			opts = append(opts, authority(at)...)
		}
		return opts
	}
	creds := b.DialCreds
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	opts := []grpc.DialOption{grpc.WithTransportCredentials(creds)}
	//lint:ignore SA1019 as above
	if creds.Info().ServerName == "" { //nolint:staticcheck // as above
		opts = append(opts, authority(at)...)
	}
	return opts
}

// authority names the endpoint to its server, if it has a name other than its
// address.
func authority(at resolver.Endpoint) []grpc.DialOption {
	if at.ServerName == "" {
		return nil
	}
	return []grpc.DialOption{grpc.WithAuthority(at.ServerName)}
}
