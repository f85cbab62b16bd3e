package endpointset

import (
	"log/slog"

	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/identity"
)

// Options is what the owner of a channel passes to its policy besides the
// configuration, which is JSON and cannot hold these values. They travel in the
// attributes of each resolver state, since grpc creates the policy and provides no
// other way.
type Options struct {
	// Logger gets one line for each event. Nil: slog.Default.
	Logger *slog.Logger
	// StandbyRefuses reports whether the standbys of these nodes do not listen, so
	// that a refused connection is normal for them.
	StandbyRefuses bool
	// Retries counts the calls that are retried. Nil: they are not counted.
	Retries *attempt.Tally
	// Validator validates every new connection before it is picked. Nil: connections
	// are not validated.
	Validator identity.Validator
	// OnClose is called when the policy is closed, once for each. Nil: nothing is.
	OnClose func()
	// Left names further code of the program that has not returned although its time is
	// up, for the log line of Close; empty texts are left out. Nil: there is none.
	Left func() []string
}

type optionsKey struct{}

// Attribute returns the options as an attribute of resolver states.
func (o *Options) Attribute() (key, value any) { return optionsKey{}, o }

// optionsFrom returns the options in a resolver's state; the zero value if it has
// none.
func optionsFrom(state resolver.State) Options {
	if o, ok := state.Attributes.Value(optionsKey{}).(*Options); ok && o != nil {
		return *o
	}
	return Options{}
}
