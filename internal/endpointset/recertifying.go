package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/recertify"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

// startRecertifying begins to follow the files of client certificates, if an endpoint of
// the list has some. The set's lock is held.
func (s *Set) startRecertifying() {
	creds, ok := s.build.DialCreds.(*transport.Credentials)
	if !ok || s.recertifies || s.scope.Closed() {
		return
	}
	for _, e := range s.list {
		if e.want.Identity.TLS.CertFile != "" {
			s.recertifies = true
			f := recertify.Follower[*conn]{Conns: s.certified, Certificate: creds.ClientCertificate, Renew: s.renewFor}
			s.scope.Go(func() { f.Run(s.scope.Context()) })
			return
		}
	}
}

// Files implements recertify.Conn.
func (c *conn) Files() resolver.TLS { return c.endpoint.want.Identity.TLS }

// Presented implements recertify.Conn.
func (c *conn) Presented() []byte { return c.Holder.Presented() }

// certified returns the connections of the list that were made with a client
// certificate.
func (s *Set) certified() []*conn {
	s.scope.Lock()
	defer s.scope.Unlock()
	var conns []*conn
	for _, e := range s.list {
		if e.link.Phase() == machine.Ready && e.conn.Presented() != nil {
			conns = append(conns, e.conn)
		}
	}
	return conns
}

// renewFor renews the endpoint of a connection for a new certificate. The old connection
// serves until the new one does.
func (s *Set) renewFor(c *conn, leaf []byte) {
	s.scope.Lock()
	defer s.scope.Unlock()
	e := c.endpoint
	if s.scope.Closed() || s.byName[e.name] != e || e.conn != c {
		return
	}
	next, due := e.recertified.Next(time.Now(), leaf, e.was.Class == judge.Eligible)
	if !due {
		return
	}
	if n := e.replaceConnLocked("its client certificate has changed"); n != nil {
		e.recertified, n.recertified = next, next
	}
}
