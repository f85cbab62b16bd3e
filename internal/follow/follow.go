// Package follow links a client to the source that its list of endpoints comes
// from while it runs, such as a config file.
//
// # Why
//
// Package configfile needs YAML and file notifications, which a program that has
// its list in Go should not link. So the front door knows only that there may be a
// follower: it starts it once the client is made, shows what it says of its file in
// Status, and stops it in Close. Option carries the follower to NewClient among the
// dial options, and grpc ignores it there.
package follow

import (
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// Client is what a follower does to its client. It is safe for concurrent use.
type Client interface {
	// Update puts another list in force, as cantonlb.Client.Update does, and counts
	// the reload. An error means that the list was refused, and counts so.
	Update(endpoints []resolver.Endpoint) error
	// SetHandover sets what happens to the endpoints that a new list does not have, as
	// the field Handover of a Config. It takes effect at once.
	SetHandover(mode string)
	// Kept counts a content that has the list that is in force. It is an event if the
	// content before it was refused.
	Kept()
	// Refused counts a content that has no valid list, and reports why as an event.
	Refused(err error)
}

// Follower keeps the list of a client that of its source.
type Follower interface {
	// Status returns the state of the source.
	Status() report.FileStatus
	// Close ends the following, and waits for an update that is under way. The
	// client calls it once, before it closes its channel. It returns what has not
	// returned although its time is up, for the log, or an empty text.
	Close() (left string)
}

// Option is a dial option by which NewClient starts a follower.
type Option struct {
	grpc.EmptyDialOption

	// Start begins to follow. NewClient calls it once, with the client that it is
	// about to return.
	Start func(Client) Follower
}

// Begin starts the follower that is among the options. It returns nil if there is
// none.
func Begin(client Client, opts []grpc.DialOption) Follower {
	for _, o := range opts {
		if option, ok := o.(Option); ok {
			return option.Start(client)
		}
	}
	return nil
}
