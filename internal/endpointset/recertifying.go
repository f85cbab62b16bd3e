package endpointset

import (
	"bytes"
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

// A connection keeps the client certificate that it was made with, and may last for
// months, while the certificate expires or is revoked. So an endpoint whose files hold
// another certificate is renewed: its old connection serves until the new one does.
const (
	// recertifyEvery is how often the files are read, unless that takes more than a
	// hundredth of the time.
	recertifyEvery = time.Second
	// A certificate with which the endpoint was not eligible is tried again after pauses
	// that double up to this: servers may accept it only later. While the endpoint is
	// not eligible with the old one either, it is tried every recertifyEvery.
	mostRecertifyPause = 30 * time.Second
)

// recertified is the last renewal of an endpoint for a certificate, and the pause before
// the next for the same.
type recertified struct {
	leaf  []byte
	at    time.Time
	pause time.Duration
}

// next returns the renewal at now for a certificate, or false if it is too early.
func (r recertified) next(now time.Time, leaf []byte, eligible bool) (recertified, bool) {
	if !bytes.Equal(r.leaf, leaf) {
		return recertified{leaf, now, recertifyEvery}, true
	}
	pause := r.pause
	if !eligible {
		pause = recertifyEvery
	}
	if now.Sub(r.at) < pause {
		return r, false
	}
	return recertified{leaf, now, min(2*pause, mostRecertifyPause)}, true
}

// startRecertifying begins to follow the files of client certificates, if an endpoint of
// the list has some. Set.mu is held.
func (s *Set) startRecertifying() {
	creds, ok := s.build.DialCreds.(*transport.Credentials)
	if !ok || s.recertifies || s.closed {
		return
	}
	for _, e := range s.list {
		if e.want.identity.TLS.CertFile != "" {
			s.recertifies = true
			s.wg.Go(func() { s.recertify(creds) })
			return
		}
	}
}

func (s *Set) recertify(creds *transport.Credentials) {
	for pause := recertifyEvery; sleep.For(s.ctx, pause); {
		began := time.Now()
		s.recertifyOnce(s.ctx, creds)
		pause = max(recertifyEvery, pausePerWork*time.Since(began))
	}
}

// recertifyOnce compares the certificates of all connections with those in the files,
// and renews the endpoints for which they differ.
func (s *Set) recertifyOnce(ctx context.Context, creds *transport.Credentials) {
	current := make(map[resolver.TLS][]byte) // what the files hold now
	for _, c := range s.certified() {
		settings := c.endpoint.want.identity.TLS
		leaf, known := current[settings]
		if !known {
			leaf = creds.ClientCertificate(settings) // without Set.mu: it reads files
			current[settings] = leaf
		}
		if leaf != nil && !bytes.Equal(leaf, c.holder.Presented()) && ctx.Err() == nil {
			s.renewFor(c, leaf) //nolint:contextcheck // what follows belongs to the set
		}
	}
}

// certified returns the connections of the list that were made with a client
// certificate.
func (s *Set) certified() []*conn {
	s.mu.Lock()
	defer s.unlock()
	var conns []*conn
	for _, e := range s.list {
		if e.link.Phase == machine.Ready && e.conn.holder.Presented() != nil {
			conns = append(conns, e.conn)
		}
	}
	return conns
}

// renewFor renews the endpoint of a connection for a new certificate.
func (s *Set) renewFor(c *conn, leaf []byte) {
	s.mu.Lock()
	defer s.unlock()
	e := c.endpoint
	if s.closed || s.byName[e.name] != e || e.conn != c {
		return
	}
	next, due := e.recertified.next(time.Now(), leaf, e.was.Class == judge.Eligible)
	if !due {
		return
	}
	if n := e.replaceConnLocked("its client certificate has changed"); n != nil {
		e.recertified, n.recertified = next, next
	}
}
