package shard

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// ErrClosed is the error of a Router that is closed.
var ErrClosed = errors.New("shard: the router is closed")

// NowhereError reports a party, user or provider that no shard is known to have. Exactly
// one of Party, User and Provider is set.
type NowhereError struct {
	Party, User, Provider string
	// Asked is what each shard has said.
	Asked []Answer
	// Submit is true if a shard was wanted that may submit for the party.
	Submit bool
}

// Definite reports whether all shards have answered. If not, a shard that has not may be
// the one.
func (e *NowhereError) Definite() bool {
	for _, a := range e.Asked {
		if a.Standing == StandingUnknown {
			return false
		}
	}
	return true
}

// Error names what was looked for, and what each shard has said.
func (e *NowhereError) Error() string {
	what, verb := partyOrUser(e.Party, e.User), "hosts it"
	switch {
	case e.User != "":
		verb = "has it"
	case e.Provider != "":
		what, verb = "provider "+quoted(e.Provider), "has it"
	case e.Submit:
		verb = "hosts it with the permission to submit"
	}
	text := "shard: " + what + ": no shard " + verb
	if !e.Definite() {
		text = "shard: " + what + ": it is not known which shard " + verb
	}
	if len(e.Asked) > 0 {
		text += ": " + listed(e.Asked, Answer.String)
	}
	return text
}

// AmbiguousError reports that several shards could take a request, and that nothing says
// which is preferred. Config.Order, Config.PreferPermission, Config.SpreadReads and
// WithShard do.
type AmbiguousError struct {
	// Parties are the request's parties, and User is its user if there is no party.
	Parties []string
	User    string
	// Shards are the names of the shards that could take it.
	Shards []string
}

// Error names the parties and the shards.
func (e *AmbiguousError) Error() string {
	what := "parties " + listed(e.Parties, quoted)
	switch {
	case e.User != "":
		what = "user " + quoted(e.User)
	case len(e.Parties) == 1:
		what = "party " + quoted(e.Parties[0])
	}
	return "shard: " + what + ": on several shards, of which none is preferred: " + listed(e.Shards, quoted)
}

// Whereabouts is where one of a request's parties, or its user, is.
type Whereabouts struct {
	// Party is set, or User.
	Party, User string
	// Shards are the names of the shards that could take a request with this party alone.
	Shards []string
}

func (w Whereabouts) String() string {
	return partyOrUser(w.Party, w.User) + " on " + listed(w.Shards, quoted)
}

// partyOrUser returns a text that names a user, or a party if there is no user.
func partyOrUser(party, user string) string {
	if user != "" {
		return "user " + quoted(user)
	}
	return "party " + quoted(party)
}

// SplitError reports a request whose parties are on different shards.
type SplitError struct {
	Where []Whereabouts
	// Unknown are the shards that have not answered, and could have all of them.
	Unknown []string
}

// Error says which party is where.
func (e *SplitError) Error() string {
	text := "shard: no shard has all parties of the request: " + listed(e.Where, Whereabouts.String)
	if len(e.Unknown) > 0 {
		text += "; not known of " + listed(e.Unknown, quoted)
	}
	return text
}

// UndecidedError reports that a shard that has not answered may be the one that a request
// belongs to. The request would move to it as soon as it answers, so it is refused.
type UndecidedError struct {
	// Party is set, or User.
	Party, User string
	// Shard is the shard that is known to have it, and Unknown are those that have not
	// answered.
	Shard   string
	Unknown []Answer
}

// Error names both.
func (e *UndecidedError) Error() string {
	return fmt.Sprintf("shard: %s: on %s, but perhaps also on shards that would then take the request: %s",
		partyOrUser(e.Party, e.User), quoted(e.Shard), listed(e.Unknown, Answer.String))
}

// MovedError reports a submission of a party whose submissions went to another shard
// before, which may no longer submit for it. The new shard does not know what the former
// has executed: a command that is submitted again would be executed again. Once that is
// excluded, Router.Forget lets submissions go to the new shard; WithShard does so for one.
type MovedError struct {
	Party    string
	From, To string
}

// Error names the party and both shards.
func (e *MovedError) Error() string {
	return fmt.Sprintf("shard: party %s: its submissions went to %s, which may no longer submit for it, and are not moved to %s",
		quoted(e.Party), quoted(e.From), quoted(e.To))
}

// UnroutedError reports a request that says nothing about its shard.
type UnroutedError struct {
	Method string
	// Kind is the kind of the request.
	Kind Kind
}

// Error says what would be right.
func (e *UnroutedError) Error() string {
	want := "want a party in it, WithParty, WithUser or WithShard, or a Config.Default"
	if e.Kind == KindLocal {
		want = "its answer is about one participant service; want WithParty, WithUser or WithShard"
	}
	if e.Kind == KindNamed {
		want = "any participant service may execute it, and only one may; want WithShard"
	}
	return fmt.Sprintf("shard: %s: nothing says which shard it belongs to: %s", cmp.Or(cleantext.Detail(e.Method), "the request"), want)
}

// UnknownShardError reports a name that is no shard's.
type UnknownShardError struct {
	Name  string
	Known []string
}

// Error names the shards that there are.
func (e *UnknownShardError) Error() string {
	return fmt.Sprintf("shard: no shard %s: want one of %s", quoted(e.Name), listed(e.Known, quoted))
}

// RequestError reports a request that cannot be read.
type RequestError struct {
	Method, Field, Problem string
}

// Error names the field and what is wrong with it.
func (e *RequestError) Error() string {
	return fmt.Sprintf("shard: %s: %s: %s", cmp.Or(cleantext.Detail(e.Method), "the request"), e.Field, e.Problem)
}

// ClientError reports a shard without a client for this kind of request.
type ClientError struct {
	Shard string
	// HTTP is true if a JSON API client is missing, false if a gRPC client is.
	HTTP bool
}

// Error names the shard and the field.
func (e *ClientError) Error() string {
	if e.HTTP {
		return fmt.Sprintf("shard: shard %s has no JSON API client: want Shard.JSON", quoted(e.Shard))
	}
	return fmt.Sprintf("shard: shard %s has no gRPC client: want Shard.Client", quoted(e.Shard))
}

// IdentityError reports a shard that is another participant than it was, or than
// Shard.Participant says.
type IdentityError struct {
	Shard string
	// Detail has both IDs.
	Detail string
}

// Error names the shard and both IDs.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("shard: shard %s: %s", quoted(e.Shard), e.Detail)
}
