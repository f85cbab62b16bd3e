package probes

import (
	"context"
	"net"
	"net/netip"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// Maker makes the probes of one endpoint.
type Maker struct {
	// Build is how the connections of the channel are made.
	Build transport.Builder
	// Service is the gRPC service whose health is checked.
	Service string
	// OnUnimplemented is what a server without a health service counts as.
	OnUnimplemented healthcheck.OnUnimplemented
}

// Elsewhere returns the probes of a target.
func (m Maker) Elsewhere(t *Target) checking.Probes {
	look := new(firstLookUp)
	var probes checking.Probes
	switch {
	case t.url != "":
		var opts healthcheck.HTTPOptions
		if t.expect != 0 {
			opts.Expect = []int{t.expect}
		}
		client := m.Build.HTTPClient(t.at)
		probes.Check = pageProbe{healthcheck.HTTPGet(client, t.url, opts), client, &look.progress}
	case t.tcp:
		dial := m.Build.DialFunc()
		probes.Check = healthcheck.TCPConnect(t.at.HostPort(), func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(transport.WithAttempt(ctx, transport.Attempt{Progress: &look.progress}), network, address)
		})
	default:
		probes = m.OwnChannel(t.at, netip.Addr{}, &look.progress)
	}
	look.Prober = probes.Check
	probes.Check = look
	return probes
}

// OwnChannel returns gRPC probes of an endpoint on a separate connection to this
// address, made like the channel's connections. If to is valid, it leads to that address
// of the name. progress, which may be nil, is that of the connection.
func (m Maker) OwnChannel(at resolver.Endpoint, to netip.Addr, progress *transport.Progress) checking.Probes {
	opts := append(m.Build.CredentialsFor(at), transport.Raced(to, progress))
	if m.Build.Dialer != nil {
		opts = append(opts, grpc.WithContextDialer(m.Build.Dialer))
	} else {
		opts = append(opts, grpc.WithNoProxy())
	}
	options := healthcheck.GRPCOptions{OnUnimplemented: m.OnUnimplemented}
	probe, err := healthcheck.DialGRPC(hostPortOf(at), m.Service, options, opts...)
	if err != nil {
		return checking.Probes{Check: healthcheck.Func(at.Address, func(context.Context) report.Verdict {
			return checking.NewVerdict(report.Failed, report.ReasonConnectFailed, err.Error())
		})}
	}
	watch, _ := probe.(healthcheck.Watcher) // nil means no Watch
	return checking.Probes{Check: probe, Watch: watch}
}
