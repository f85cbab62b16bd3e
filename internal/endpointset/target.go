package endpointset

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/race"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// target is where and how an endpoint's health is checked, if not on the connection of
// its calls.
type target struct {
	// at is the address, with its security and credentials.
	at resolver.Endpoint
	// url is the URL to GET. tcp means a TCP connect only. With neither, the probe is
	// gRPC.
	url    string
	expect int
	tcp    bool
	// port reports that the target is another port of the endpoint's host.
	port bool
}

// identityAt returns the endpoint at one of its addresses.
func (w wanted) identityAt(a grpcresolver.Address) resolver.Endpoint {
	if w.identity.Name != "" {
		return w.identity
	}
	return resolver.Endpoint{Name: w.name, Address: a.Addr, ServerName: a.ServerName}
}

// newTarget returns the endpoint's target and the name of the service to check. The
// endpoint's own settings take precedence over those of the client. The target is nil
// for the connection of the calls.
func (w wanted) newTarget(c healthcheck.Config) (*target, string) {
	id := w.identityAt(w.addrs[0])
	if !id.Health.IsSet() {
		id.Health.GRPCPort, id.Health.HTTP = c.GRPCPort, c.HTTP
	}
	h := id.Health
	service := cmp.Or(h.Service, c.Service)
	if service == resolver.WholeServer {
		service = ""
	}
	if h.GRPCPort == 0 && h.GRPCAddress == "" && h.HTTP == "" && h.TCP == "" {
		return nil, service
	}
	t := &target{url: id.HealthURL(), expect: h.ExpectedStatus, tcp: h.TCP != "", port: h.GRPCPort != 0}
	var ok bool
	if t.at, ok = id.HealthEndpoint(); !ok { // another resolver's address, such as a unix socket
		host, _, err := net.SplitHostPort(id.Address)
		switch {
		case isPath(id.Address):
			host = "localhost" // as in grpc
		case err != nil:
			host = id.Address
		}
		t.at = resolver.Endpoint{Name: w.name, Address: net.JoinHostPort(host, strconv.Itoa(h.GRPCPort)), ServerName: id.ServerName}
		if h.HTTP != "" {
			t.url = c.HTTPURL(host)
		}
	}
	return t, service
}

// probes returns the probes of an endpoint with a target of its own.
func (t *target) probes(e *endpoint) checking.Probes {
	s, look := e.set, new(firstLookUp)
	var probes checking.Probes
	switch {
	case t.url != "":
		var opts healthcheck.HTTPOptions
		if t.expect != 0 {
			opts.Expect = []int{t.expect}
		}
		client := s.build.HTTPClient(t.at)
		probes.Check = pageProbe{healthcheck.HTTPGet(client, t.url, opts), client, &look.progress}
	case t.tcp:
		dial := s.build.DialFunc()
		probes.Check = healthcheck.TCPConnect(t.at.HostPort(), func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(transport.WithAttempt(ctx, transport.Attempt{Progress: &look.progress}), network, address)
		})
	default:
		probes = e.ownChannel(t.at, netip.Addr{}, &look.progress)
	}
	look.Prober = probes.Check
	probes.Check = look
	return probes
}

// firstLookUp is the probe of a target whose name may not be known yet. As long as no name
// server has answered, a probe that fails says nothing about the server. It is used by one
// goroutine at a time.
type firstLookUp struct {
	checking.Prober

	progress transport.Progress
	over     bool // a verdict has counted: the name was known once, or cannot be looked up
}

func (p *firstLookUp) Probe(ctx context.Context) report.Verdict {
	v := p.Prober.Probe(ctx)
	if _, looking := p.progress.LookUp(); looking && !p.over && v.Outcome == report.Failed {
		return checking.NewVerdict(report.Inconclusive, report.ReasonConnectFailed, report.PhaseLookup.Waits())
	}
	p.over = p.over || v.Outcome != report.Inconclusive
	return v
}

// Close closes the probe.
func (p *firstLookUp) Close() error { return checking.Probes{Check: p.Prober}.Close() }

// text returns what is probed, for the status.
func (t *target) text(service string) string {
	shown, _, _ := strings.Cut(t.url, "?")
	switch {
	case t.url != "" && t.at.UnixSocket() != "":
		return "HTTP GET " + shown + " over " + t.at.HostPort()
	case t.url != "":
		return "HTTP GET " + shown
	case t.tcp:
		return "TCP connect to " + t.at.HostPort()
	case t.port:
		_, port, _ := net.SplitHostPort(hostPortOf(t.at))
		return fmt.Sprintf("gRPC service %q on port %s", service, port)
	default:
		return fmt.Sprintf("gRPC service %q at %s", service, hostPortOf(t.at))
	}
}

// isPath reports whether the address of another resolver is the path of a Unix domain
// socket, whose network only grpc knows.
func isPath(address string) bool {
	return strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@")
}

// hostPortOf returns the address to dial: that of another resolver unchanged if it has
// no host and port.
func hostPortOf(e resolver.Endpoint) string { return cmp.Or(e.HostPort(), e.Address) }

// pageProbe is an HTTP probe that owns its client. If the page has to be got on a new
// connection, it is got from each address of the name by turns, by the rules of
// machine.Race, until one answers.
type pageProbe struct {
	page     healthcheck.Probe
	client   *http.Client
	progress *transport.Progress
}

func (p pageProbe) Kind() report.ProbeKind { return p.page.Kind() }
func (p pageProbe) Target() string         { return p.page.Target() }

func (p pageProbe) Probe(ctx context.Context) report.Verdict {
	var answers names.List
	v, _ := race.Race[report.Verdict]{
		Addresses: 1, Found: answers.Grown(),
		Try: func(ctx context.Context, i int) (report.Verdict, bool) {
			a := transport.Attempt{To: answers.At(i), Progress: p.progress}
			if i == 0 {
				a.Found = answers.Add
			}
			v := p.page.Probe(transport.WithAttempt(ctx, a))
			return v, v.Outcome != report.Failed
		},
	}.Run(ctx)
	return v
}

// Close closes idle connections.
func (p pageProbe) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// ownChannel returns gRPC probes of an endpoint on a separate connection to this
// address, made like the channel's connections. If to is valid, it leads to that address
// of the name. progress, which may be nil, is that of the connection.
func (e *endpoint) ownChannel(at resolver.Endpoint, to netip.Addr, progress *transport.Progress) checking.Probes {
	s := e.set
	opts := append(s.build.CredentialsFor(at), transport.Raced(to, progress))
	if s.build.Dialer != nil {
		opts = append(opts, grpc.WithContextDialer(s.build.Dialer))
	} else {
		opts = append(opts, grpc.WithNoProxy())
	}
	options := healthcheck.GRPCOptions{OnUnimplemented: e.healthCheck.OnUnimplemented}
	probe, err := healthcheck.DialGRPC(hostPortOf(at), e.service, options, opts...)
	if err != nil {
		return checking.Probes{Check: healthcheck.Func(at.Address, func(context.Context) report.Verdict {
			return checking.NewVerdict(report.Failed, report.ReasonConnectFailed, err.Error())
		})}
	}
	watch, _ := probe.(healthcheck.Watcher) // nil means no Watch
	return checking.Probes{Check: probe, Watch: watch}
}
