package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a name server. It resolves the names that Set has added and answers
// NXDOMAIN for all others. It is safe for concurrent use.
type DNS struct {
	addr string

	mu      sync.Mutex
	names   map[string][]netip.Addr
	queries map[string]int
}

// maxQuestion is the size of the largest query that is read, in bytes.
const maxQuestion = 4096

// NewDNS starts a name server.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("nettest: DNS: %v", err)
	}
	d := &DNS{addr: conn.LocalAddr().String(), names: make(map[string][]netip.Addr), queries: make(map[string]int)}
	ended := make(chan error, 1)
	go func() { ended <- d.serve(conn) }()
	t.Cleanup(func() {
		_ = conn.Close() // an error means that it is closed already
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("nettest: DNS: %v", err)
		}
	})
	return d
}

// serve answers queries until conn is closed.
func (d *DNS) serve(conn net.PacketConn) error {
	buffer := make([]byte, maxQuestion)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		reply, err := d.answer(buffer[:n])
		if err != nil {
			continue // not a query
		}
		_, _ = conn.WriteTo(reply, from) // an error means that the client has gone
	}
}

// Resolver returns a resolver that asks only this server.
func (d *DNS) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", d.addr)
	}}
}

// Set makes name, in lower case and without a final dot, resolve to these IP
// addresses. Without addresses the name does not exist.
func (d *DNS) Set(name string, ips ...string) {
	addrs := make([]netip.Addr, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.MustParseAddr(ip)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[name] = addrs
}

// Queries returns how many questions about a name have arrived.
func (d *DNS) Queries(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queries[name]
}

// answer returns the packed reply to a packed query.
func (d *DNS) answer(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, OpCode: m.OpCode, RecursionDesired: m.RecursionDesired},
		Questions: m.Questions,
	}
	for _, q := range m.Questions {
		addrs := d.lookUp(q.Name.String())
		if len(addrs) == 0 {
			reply.RCode = dnsmessage.RCodeNameError
		}
		header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET}
		for _, a := range addrs {
			switch {
			case q.Type == dnsmessage.TypeA && a.Is4():
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
			case q.Type == dnsmessage.TypeAAAA && a.Is6():
				reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
			}
		}
	}
	return reply.Pack()
}

func (d *DNS) lookUp(name string) []netip.Addr {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queries[name]++
	return d.names[name]
}
