package report

import "slices"

// PartyRequest is a kind of request for which a PartyExplanation or a UserExplanation says
// where it goes.
type PartyRequest string

// The kinds of requests: three of a PartyExplanation, and two of a UserExplanation.
const (
	// PartyRead is a read whose answer any shard that hosts the party may give.
	PartyRead PartyRequest = "read"
	// PartyPinned is a read at an offset, or a stream that is resumed at one.
	PartyPinned PartyRequest = "read_at_offset"
	// PartySubmission is a submission on behalf of the party.
	PartySubmission PartyRequest = "submission"
	// UserInRequest is a request that names the user and no party.
	UserInRequest PartyRequest = "user_id"
	// UserInContext is a request whose context names the user, as shard.WithUser does.
	UserInContext PartyRequest = "with_user"
)

// PartyRoute is where requests of one kind with a party or a user go.
type PartyRoute struct {
	Request PartyRequest `json:"request"`
	// Shards is the shard, or several among which reads are spread. It is empty if such a
	// request is refused: Reason and Error say why.
	Shards []string `json:"shards,omitempty"`
	Reason Reason   `json:"reason,omitempty"`
	Error  string   `json:"error,omitempty"`
}

// PartyExplanation is where requests with a party go, and why.
type PartyExplanation struct {
	Party string `json:"party"`
	// Answers holds what each shard has said about the party, sorted by their names.
	Answers []ShardAnswer `json:"answers"`
	// Home is the shard at which the program's submissions of the party stay, since it took
	// the earlier ones; "" if it took none.
	Home string `json:"home,omitempty"`
	// Routes has one entry for each kind of request.
	Routes []PartyRoute `json:"routes"`
}

// Routed reports whether a request of some kind would be sent.
func (e PartyExplanation) Routed() bool { return routed(e.Routes) }

// UserExplanation is where requests with a user go, and why.
type UserExplanation struct {
	User string `json:"user"`
	// Answers holds what each shard has said about the user, sorted by their names.
	Answers []UserAnswer `json:"answers"`
	// Routes has one entry for each kind of request.
	Routes []PartyRoute `json:"routes"`
}

// UserAnswer is what one shard has said about a user.
type UserAnswer struct {
	ShardAnswer

	// Parties is the user's primary party at the shard or, if it has none, those that the
	// user may act or read as. It is empty if the shard has not been asked about the user.
	Parties []string `json:"parties,omitempty"`
	// Hosts is whether the shard hosts one of these parties. It is "" unless several
	// shards have the user, since it does not matter otherwise.
	Hosts ShardStanding `json:"hosts,omitempty"`
}

// Routed reports whether a request of some kind would be sent.
func (e UserExplanation) Routed() bool { return routed(e.Routes) }

func routed(routes []PartyRoute) bool {
	return slices.ContainsFunc(routes, func(r PartyRoute) bool { return len(r.Shards) > 0 })
}
