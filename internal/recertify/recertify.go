package recertify

import (
	"bytes"
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/resolver"
)

const (
	// Every is how often the files are read, unless that takes more than a hundredth of
	// the time.
	Every        = time.Second
	pausePerWork = 99
	// A certificate with which an endpoint was not eligible is tried again after pauses
	// that double up to this. While the endpoint is not eligible with the old one either,
	// it is tried whenever the files are read.
	mostPause = 30 * time.Second
)

// Renewal is the last renewal of an endpoint for a certificate. The zero value is none.
type Renewal struct {
	Leaf  []byte // the certificate; nil if there was no renewal
	at    time.Time
	pause time.Duration // before the next one for the same certificate
}

// Next returns the renewal at now for a certificate, or false if it is too early.
// eligible says whether there is anything to lose by it.
func (r Renewal) Next(now time.Time, leaf []byte, eligible bool) (Renewal, bool) {
	if !bytes.Equal(r.Leaf, leaf) {
		return Renewal{leaf, now, Every}, true
	}
	pause := r.pause
	if !eligible {
		pause = Every
	}
	if now.Sub(r.at) < pause {
		return r, false
	}
	return Renewal{leaf, now, min(2*pause, mostPause)}, true
}

// Conn is a connection that was made with a client certificate.
type Conn interface {
	// Files returns where the certificate is read from.
	Files() resolver.TLS
	// Presented returns the certificate that the connection was made with.
	Presented() []byte
}

// Follower follows the files of connections.
type Follower[C Conn] struct {
	// Conns returns the connections there are.
	Conns func() []C
	// Certificate reads the certificate in files; nil if there is no valid one.
	Certificate func(resolver.TLS) []byte
	// Renew is told of a connection whose files have come to hold another certificate.
	Renew func(c C, leaf []byte)
}

// Run compares the certificates again and again. It returns when ctx ends.
func (f Follower[C]) Run(ctx context.Context) {
	for pause := Every; sleep.For(ctx, pause); {
		began := time.Now()
		f.once(ctx)
		pause = max(Every, pausePerWork*time.Since(began))
	}
}

// once compares the certificates of all connections with those in the files.
func (f Follower[C]) once(ctx context.Context) {
	current := make(map[resolver.TLS][]byte) // what the files hold now
	for _, c := range f.Conns() {
		files := c.Files()
		leaf, known := current[files]
		if !known {
			leaf = f.Certificate(files)
			current[files] = leaf
		}
		if leaf != nil && !bytes.Equal(leaf, c.Presented()) && ctx.Err() == nil {
			f.Renew(c, leaf)
		}
	}
}
