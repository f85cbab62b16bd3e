package transport

import (
	"context"
	"net/netip"
	"sync/atomic"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
)

// Attempt is one attempt of a SubConn to connect, as far as the dialer and the
// credentials take part in it.
type Attempt struct {
	// Holder is to hold the connection. Nil: nothing needs it.
	Holder *Holder
	// To is the IP address to connect to, if it is valid. Otherwise the dialer looks
	// the name up and connects to the first answer.
	To netip.Addr
	// Progress records how far the attempt has come. Nil: nothing needs it.
	Progress *Progress
	// Others reports whether the endpoint has other addresses that may still be connected
	// to. It may lock. Nil: it has none.
	Others func() bool
	// Found receives the answers of that look-up, in the order in which they are to be
	// tried. It is called without a lock. Nil: only this attempt is made, so the dialer
	// tries all answers itself.
	Found func([]netip.Addr)
}

// Line connects a SubConn with the dialer and the credentials, which never see the
// SubConn. It is among the attributes of the SubConn's address and holds the attempt
// that is under way. It is safe for concurrent use.
type Line struct{ attempt atomic.Pointer[Attempt] }

// Begin sets the attempt, before the SubConn connects.
func (l *Line) Begin(a *Attempt) { l.attempt.Store(a) }

// key is the Line's key among the attributes of an address.
type key struct{}

// With returns the address with a Line among its attributes.
func With(address resolver.Address, l *Line) resolver.Address {
	address.Attributes = address.Attributes.WithValue(key{}, l)
	return address
}

// attemptOf returns the attempt for an address with these attributes, the zero value if
// there is none.
func attemptOf(address *attributes.Attributes) Attempt {
	if l, ok := address.Value(key{}).(*Line); ok {
		if a := l.attempt.Load(); a != nil {
			return *a
		}
	}
	return Attempt{}
}

// attemptKey is the key of an Attempt in a context.
type attemptKey struct{}

// WithAttempt returns a context in which a dialer finds the attempt, for a connection
// that no SubConn makes.
func WithAttempt(ctx context.Context, a Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// AttemptOf returns the attempt that a dialer is called for with this context. It is
// the zero value for a connection that no attempt is about.
func AttemptOf(ctx context.Context) Attempt {
	if a, ok := ctx.Value(attemptKey{}).(Attempt); ok {
		return a
	}
	return attemptOf(credentials.ClientHandshakeInfoFromContext(ctx).Attributes)
}

// AttemptFor returns the attempt for an address, the zero value if there is none.
func AttemptFor(address resolver.Address) Attempt { return attemptOf(address.Attributes) }
