package nettest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// DNS is a name server. It knows the names that Set has told it and answers all
// others with NXDOMAIN. It is safe for concurrent use.
type DNS struct {
	addr string

	mu      sync.Mutex
	names   map[string][]netip.Addr
	queries map[string]int
}

// NewDNS starts a name server.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("nettest: DNS: %v", err)
	}
	d := &DNS{addr: conn.LocalAddr().String(), names: make(map[string][]netip.Addr), queries: make(map[string]int)}
	ready := make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(d.answer), NotifyStartedFunc: func() { close(ready) }}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		_ = server.Shutdown() // what it says, ActivateAndServe says too
		if err := <-ended; err != nil {
			t.Errorf("nettest: DNS: %v", err)
		}
	})
	return d
}

// Resolver gives a resolver that asks this server alone.
func (d *DNS) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", d.addr)
	}}
}

// Set has name, in lower case and without a dot at its end, mean these IP
// addresses, or nothing if there are none: then it does not exist.
func (d *DNS) Set(name string, ips ...string) {
	addrs := make([]netip.Addr, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.MustParseAddr(ip)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[name] = addrs
}

// Queries gives how many questions about a name have come.
func (d *DNS) Queries(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queries[name]
}

func (d *DNS) answer(w dns.ResponseWriter, question *dns.Msg) {
	reply := new(dns.Msg).SetReply(question)
	for _, q := range question.Question {
		addrs := d.lookUp(q.Name)
		if len(addrs) == 0 {
			reply.Rcode = dns.RcodeNameError
		}
		for _, a := range addrs {
			header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET}
			switch {
			case q.Qtype == dns.TypeA && a.Is4():
				reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: a.AsSlice()})
			case q.Qtype == dns.TypeAAAA && a.Is6():
				reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header, AAAA: a.AsSlice()})
			}
		}
	}
	_ = w.WriteMsg(reply) // a client that has gone does not wait for it
}

func (d *DNS) lookUp(name string) []netip.Addr {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queries[name]++
	return d.names[name]
}
