package probes

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/resolver"
)

// Target is where and how an endpoint's health is checked, if not on the connection of
// its calls.
type Target struct {
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

// NewTarget returns an endpoint's target and the name of the service to check. The
// endpoint's own settings take precedence over those of the client. The target is nil
// for the connection of the calls.
func NewTarget(w wanted.Endpoint, c healthcheck.Config) (*Target, string) {
	id := w.At(w.Addrs[0])
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
	t := &Target{url: id.HealthURL(), expect: h.ExpectedStatus, tcp: h.TCP != "", port: h.GRPCPort != 0}
	var ok bool
	if t.at, ok = id.HealthEndpoint(); !ok { // another resolver's address, such as a unix socket
		host, _, err := net.SplitHostPort(id.Address)
		switch {
		case IsPath(id.Address):
			host = "localhost" // as in grpc
		case err != nil:
			host = id.Address
		}
		t.at = resolver.Endpoint{Name: w.Name, Address: net.JoinHostPort(host, strconv.Itoa(h.GRPCPort)), ServerName: id.ServerName}
		if h.HTTP != "" {
			t.url = c.HTTPURL(host)
		}
	}
	return t, service
}

// Text returns what is probed, for the status.
func (t *Target) Text(service string) string {
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

// IsPath reports whether the address of another resolver is the path of a Unix domain
// socket, whose network only grpc knows.
func IsPath(address string) bool {
	return strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@")
}

// hostPortOf returns the address to dial: that of another resolver unchanged if it has
// no host and port.
func hostPortOf(e resolver.Endpoint) string { return cmp.Or(e.HostPort(), e.Address) }
