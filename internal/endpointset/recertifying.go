package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/recertify"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

// recertifying follows the files of client certificates.
type recertifying struct {
	set  *Set
	runs bool // until Close; guarded by the set's lock
}

// start begins to follow the files, if an endpoint of the list has some. The set's lock is
// held.
func (r *recertifying) start() {
	s := r.set
	creds, ok := s.build.DialCreds.(*transport.Credentials)
	if !ok || r.runs || s.scope.Closed() {
		return
	}
	for _, e := range s.list {
		if e.want.Identity.TLS.CertFile != "" {
			r.runs = true
			f := recertify.Follower[*conn]{Conns: r.conns, Certificate: creds.ClientCertificate, Renew: r.renew}
			s.scope.GoUntilClosed(f.Run)
			return
		}
	}
}

// Files implements recertify.Conn.
func (c *conn) Files() resolver.TLS { return c.endpoint.want.Identity.TLS }

// Presented implements recertify.Conn.
func (c *conn) Presented() []byte { return c.Holder.Presented() }

// conns returns the connections of the list that were made with a client certificate.
func (r *recertifying) conns() []*conn {
	s := r.set
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

// renew renews the endpoint of a connection for a new certificate. The old connection
// serves until the new one does.
func (r *recertifying) renew(c *conn, leaf []byte) {
	s := r.set
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
