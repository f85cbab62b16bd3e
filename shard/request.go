package shard

import (
	"errors"
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// Kind is the kind of a request, which determines the shards that may answer it.
type Kind string

// The kinds of requests.
const (
	// KindPinned is a request that belongs to the one shard that hosts its parties: a
	// read at an offset, a stream that is resumed at one, or a change of a party. It is
	// the zero Kind. Without a party and a user, it goes to the default shard.
	KindPinned Kind = ""
	// KindRead is a read whose answer any shard that hosts its parties may give, and that
	// may be spread over several. Without a party and a user, it goes to the default
	// shard.
	KindRead Kind = "read"
	// KindSubmission is a submission. A shard must host its ActAs parties with the
	// permission to submit. It never moves from one shard to another by itself.
	KindSubmission Kind = "submission"
	// KindAny is a request that any live shard may answer, such as GetLedgerApiVersion.
	KindAny Kind = "any"
	// KindLocal is a request about a participant itself, such as GetLedgerEnd. It needs
	// WithParty, WithUser, WithProvider or WithShard, even if there is a default shard.
	KindLocal Kind = "local"
	// KindNamed is a request that needs WithShard, such as ExecuteSubmission, whose
	// participant need not host the parties.
	KindNamed Kind = "named"
)

// Request is what a request says about the shard that it belongs to. Router.Route takes
// it; the gRPC side reads it from the messages, and Config.Read from messages of a
// program's own.
type Request struct {
	// Method names the request in errors, such as "/pkg.Service/Method" or
	// "POST /v2/updates".
	Method string
	Kind   Kind
	// ActAs are the parties on whose behalf something is submitted, and Parties the
	// others: the shard hosts all of them. At most 1,000 in total.
	ActAs, Parties []string
	// User is the user ID, if there is one. It counts only if there is no party, and only
	// if the user exists on one shard.
	User string
	// HTTP is true for a request to the JSON API: only shards with Shard.JSON may answer
	// it.
	HTTP bool
}

// The bounds of what a request says.
const (
	maxParties = 1000
	maxName    = 1024
)

// check refuses names that no participant accepts.
func (q *Request) check() error {
	switch q.Kind {
	case KindPinned, KindRead, KindSubmission, KindAny, KindLocal, KindNamed:
	default:
		return &RequestError{Method: q.Method, Field: "kind", Problem: fmt.Sprintf("%.40q: want one of the constants of Kind", string(q.Kind))}
	}
	if n := len(q.ActAs) + len(q.Parties); n > maxParties {
		return &RequestError{Method: q.Method, Field: "parties", Problem: fmt.Sprintf("%d of them: want at most %d", n, maxParties)}
	}
	for _, list := range [][]string{q.ActAs, q.Parties} {
		for _, p := range list {
			if err := checkName(p); err != nil {
				return &RequestError{Method: q.Method, Field: "party", Problem: err.Error()}
			}
		}
	}
	if q.User != "" {
		if err := checkName(q.User); err != nil {
			return &RequestError{Method: q.Method, Field: "user", Problem: err.Error()}
		}
	}
	return nil
}

// checkName refuses what cannot be the ID of a party or a user.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("empty: want an ID")
	case len(name) > maxName:
		return fmt.Errorf("an ID of %d bytes: want at most %d", len(name), maxName)
	case !cleantext.Printable(name):
		return fmt.Errorf("%s: want an ID of printable characters", quoted(name))
	}
	return nil
}

// quoted returns a name for people.
func quoted(name string) string { return `"` + cleantext.Detail(name) + `"` }
