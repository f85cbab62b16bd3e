package nettest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a name server. It resolves the names that Set has added and answers
// NXDOMAIN for all others. It is safe for concurrent use.
type DNS struct {
	addr  string
	conn  net.PacketConn
	ended chan error // receives the error with which serve ends

	mu      sync.Mutex
	names   map[string][]netip.Addr
	queries map[string]int
	state   DNSState
	part    int // how many addresses an answer has; 0 means all
	turn    int // counts the answers that have a part
	dropped map[dnsmessage.Question]bool
	waiting []unanswered
	closing bool
}

// DNSState is how a name server behaves.
type DNSState int

// The states of a name server.
const (
	// DNSWorks means that it answers.
	DNSWorks DNSState = iota
	// DNSFails means that it answers SERVFAIL.
	DNSFails
	// DNSHangs means that it does not answer.
	DNSHangs
	// DNSFirstDead means that it does not answer the first query of each look-up, as if
	// the first of two name servers were dead.
	DNSFirstDead
)

// maxQuestion is the size of the largest query that is read, in bytes.
const maxQuestion = 4096

// NewDNS starts a name server.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	d, err := ListenDNS(t.Context())
	if err != nil {
		t.Fatalf("nettest: DNS: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("nettest: DNS: %v", err)
		}
	})
	return d
}

// ListenDNS starts a name server for a program that is no test. Close it.
func ListenDNS(ctx context.Context) (*DNS, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &DNS{
		addr: conn.LocalAddr().String(), conn: conn, ended: make(chan error, 1),
		names: make(map[string][]netip.Addr), queries: make(map[string]int), dropped: make(map[dnsmessage.Question]bool),
	}
	go func() { d.ended <- d.serve(conn) }()
	return d, nil
}

// lastQueries is how long queries are still answered after those that were not.
const lastQueries = 250 * time.Millisecond

// Close stops the server. It is called once.
func (d *DNS) Close() error {
	if d.release() { // package net asks again at once
		_ = d.conn.SetReadDeadline(time.Now().Add(lastQueries))
	} else {
		_ = d.conn.Close() // an error means that it is closed already
	}
	err := <-d.ended
	_ = d.conn.Close()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
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
		if reply == nil {
			d.keep(buffer[:n], from)
			continue
		}
		_, _ = conn.WriteTo(reply, from) // an error means that the client has gone
	}
}

// unanswered is a query that was not answered, and its failure.
type unanswered struct {
	failure []byte
	from    net.Addr
}

// keep keeps a query that is not answered.
func (d *DNS) keep(query []byte, from net.Addr) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil {
		return
	}
	m.Response, m.RCode = true, dnsmessage.RCodeServerFailure
	failure, err := m.Pack()
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		_, _ = d.conn.WriteTo(failure, from)
		return
	}
	d.waiting = append(d.waiting, unanswered{failure, from})
}

// release fails the queries that were not answered, and those to come, and reports whether
// there were any: package net waits for an answer even after the look-up has been called
// off.
func (d *DNS) release() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state, d.closing = DNSFails, true
	for _, u := range d.waiting {
		_, _ = d.conn.WriteTo(u.failure, u.from)
	}
	return len(d.waiting) > 0
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

// Become makes the server behave like this from now on.
func (d *DNS) Become(s DNSState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = s
}

// Rotate makes each answer hold n addresses, the next ones by turns; 0 means all, in the
// order in which they were set.
func (d *DNS) Rotate(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.part = n
}

// Addr returns the server's host and port.
func (d *DNS) Addr() string { return d.addr }

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
		addrs, state := d.lookUp(q)
		switch {
		case state == DNSHangs:
			return nil, nil
		case state == DNSFails:
			reply.RCode = dnsmessage.RCodeServerFailure
			addrs = nil
		case len(addrs) == 0:
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

// lookUp returns the addresses of a name, and whether to answer at all.
func (d *DNS) lookUp(q dnsmessage.Question) ([]netip.Addr, DNSState) {
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queries[name]++
	state := d.state
	if state == DNSFirstDead {
		state = DNSWorks
		if d.dropped[q] = !d.dropped[q]; d.dropped[q] {
			state = DNSHangs
		}
	}
	addrs := slices.Clone(d.names[name])
	if d.part > 0 && d.part < len(addrs) {
		if q.Type == dnsmessage.TypeA { // a look-up has a query for each family
			d.turn++
		}
		first := d.turn % len(addrs)
		addrs = slices.Concat(addrs[first:], addrs[:first])[:d.part]
	}
	return addrs, state
}
