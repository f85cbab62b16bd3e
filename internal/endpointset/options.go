package endpointset

import (
	"log/slog"

	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// Options are what the owner of a channel gives its policy besides the
// configuration, which is JSON and so can hold no such things. They ride in the
// attributes of each resolver state, since grpc makes the policy and lets nobody
// hand it anything.
type Options struct {
	// Logger gets one line for each event. Nil: grpc's own logger.
	Logger *slog.Logger
	// Retries counts the calls that are made again. Nil: nobody does.
	Retries *attempt.Tally
	// Validator has every new connection validated before it is picked. Nil: none
	// is.
	Validator Validator
}

type optionsKey struct{}

// Attribute gives the options as an attribute of resolver states.
func (o *Options) Attribute() (key, value any) { return optionsKey{}, o }

// optionsFrom gives the options in a resolver's state, the zero value if it has
// none.
func optionsFrom(state resolver.State) Options {
	if o, ok := state.Attributes.Value(optionsKey{}).(*Options); ok && o != nil {
		return *o
	}
	return Options{}
}
