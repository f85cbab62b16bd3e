package transport

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/report"
)

// Progress is how far the newest attempt to connect to an endpoint has come. The dialer
// and the credentials of the channel report it, if they are of this module. The zero
// value knows nothing. It is safe for concurrent use; all methods may be called on nil.
type Progress struct{ newest atomic.Pointer[step] }

// step is a phase and its beginning.
type step struct {
	phase report.ConnectPhase
	since time.Time
}

// Enter records that an attempt has entered a phase; an empty one means that nothing is
// known.
func (p *Progress) Enter(phase report.ConnectPhase) {
	if p != nil {
		p.newest.Store(&step{phase, time.Now()})
	}
}

// Now returns the phase and since when it lasts.
func (p *Progress) Now() (report.ConnectPhase, time.Time) {
	if p == nil || p.newest.Load() == nil {
		return "", time.Time{}
	}
	s := p.newest.Load()
	return s.phase, s.since
}

// progressKey is the Progress's key among the attributes of an address.
type progressKey struct{}

// WithProgress returns the address with a Progress among its attributes.
func WithProgress(address resolver.Address, p *Progress) resolver.Address {
	address.Attributes = address.Attributes.WithValue(progressKey{}, p)
	return address
}

// ProgressOf returns the Progress of the attempt to connect that has this context, or
// nil.
func ProgressOf(ctx context.Context) *Progress {
	return progressIn(credentials.ClientHandshakeInfoFromContext(ctx).Attributes)
}

func progressIn(a *attributes.Attributes) *Progress {
	p, _ := a.Value(progressKey{}).(*Progress)
	return p
}
