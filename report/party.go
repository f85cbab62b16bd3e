package report

import "slices"

// PartyRequest is a kind of request for which a PartyExplanation says where it goes.
type PartyRequest string

// The kinds of requests of a PartyExplanation.
const (
	// PartyRead is a read whose answer any shard that hosts the party may give.
	PartyRead PartyRequest = "read"
	// PartyPinned is a read at an offset, or a stream that is resumed at one.
	PartyPinned PartyRequest = "read_at_offset"
	// PartySubmission is a submission on behalf of the party.
	PartySubmission PartyRequest = "submission"
)

// PartyRoute is where requests of one kind with a party go.
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
func (e PartyExplanation) Routed() bool {
	return slices.ContainsFunc(e.Routes, func(r PartyRoute) bool { return len(r.Shards) > 0 })
}
