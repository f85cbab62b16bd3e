package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// ShardStanding is where a party or a user stands at one shard.
type ShardStanding string

// The standings.
const (
	// ShardUnknown means that the shard has not been asked, or has not answered.
	ShardUnknown ShardStanding = "unknown"
	// ShardAbsent means that the shard does not host the party, or has no such user.
	ShardAbsent ShardStanding = "absent"
	// ShardHosted means that the shard hosts the party, or has the user.
	ShardHosted ShardStanding = "hosted"
)

// ShardPermission is what a participant may do for a party that it hosts.
type ShardPermission string

// The permissions of Canton's topology, of which each includes those before it.
const (
	// ShardPermissionUnknown means that the participant has not said. It may submit as far
	// as is known.
	ShardPermissionUnknown ShardPermission = ""
	ShardObservation       ShardPermission = "observation"
	ShardConfirmation      ShardPermission = "confirmation"
	ShardSubmission        ShardPermission = "submission"
)

// ShardAnswer is what one shard has said about a party or a user.
type ShardAnswer struct {
	Shard      string          `json:"shard"`
	Standing   ShardStanding   `json:"standing"`
	Permission ShardPermission `json:"permission,omitempty"`
	// Listed reports that the shard has only listed the party, which does not say the
	// permission.
	Listed bool `json:"listed,omitempty"`
	// Detail is why there is no answer: one line, printable, which may contain text of a
	// server.
	Detail string `json:"detail,omitempty"`
}

// String returns the answer in a few words, such as
//
//	"p1" hosted with submission
func (a ShardAnswer) String() string {
	text := `"` + cleantext.Detail(a.Shard) + `" ` + string(a.Standing)
	if a.Permission != ShardPermissionUnknown {
		text += " with " + string(a.Permission)
	}
	if a.Detail != "" {
		text += " (" + a.Detail + ")"
	}
	return text
}

// ShardState is whether a shard, or one of its clients, can take requests.
type ShardState string

// The states of a shard.
const (
	// ShardLive means that the shard can take requests.
	ShardLive ShardState = "live"
	// ShardDegraded means that only one of its two clients can: that of the Ledger API, or
	// that of the JSON API.
	ShardDegraded ShardState = "degraded"
	// ShardDown means that it cannot.
	ShardDown ShardState = "down"
	// ShardDistrusted means that it gets none, since it is another participant than it
	// should be.
	ShardDistrusted ShardState = "distrusted"
)

// ShardStatus is a snapshot of one shard.
type ShardStatus struct {
	Name string `json:"name"`
	// Participant is the participant's ID; "" if it is not known.
	Participant string     `json:"participant,omitempty"`
	State       ShardState `json:"state"`
	// GRPC and JSON are the states of its two clients, ShardLive or ShardDown; "" if there
	// is no such client.
	GRPC ShardState `json:"grpc,omitempty"`
	JSON ShardState `json:"json,omitempty"`
	// Detail is why the state is ShardDistrusted.
	Detail string `json:"detail,omitempty"`
	// Parties and Users are how many are known to be on it.
	Parties int `json:"parties"`
	Users   int `json:"users"`
	// LooksUp reports that the shard is asked about parties and users. Listed reports that
	// the user of the look-ups may list them, and Truncated that there are more than are
	// remembered.
	LooksUp   bool `json:"looksUp"`
	Listed    bool `json:"listed"`
	Truncated bool `json:"truncated,omitempty"`
	// Refreshed is when the newest refresh ended; zero if none has. LastError is its error.
	Refreshed time.Time `json:"refreshed,omitzero"`
	LastError string    `json:"lastError,omitempty"`
	// Requests counts the requests that were routed to it.
	Requests uint64 `json:"requests"`
	// Answers counts its answers to look-ups, by what they said. Those without an answer
	// count as ShardUnknown.
	Answers map[ShardStanding]uint64 `json:"answers,omitempty"`
}

// MarshalJSON implements json.Marshaler. Times are RFC 3339 in UTC, and unknown values
// are omitted.
func (s ShardStatus) MarshalJSON() ([]byte, error) {
	type plain ShardStatus
	s.Refreshed = utc(s.Refreshed)
	return json.Marshal(plain(s))
}

// RouterStatus is a snapshot of a router of shards. It is a copy that does not change
// later.
type RouterStatus struct {
	// Name is the router's name in metrics.
	Name string    `json:"name"`
	At   time.Time `json:"at,omitzero"`
	// Shards are sorted by name.
	Shards []ShardStatus `json:"shards"`
	// Default is the shard of requests that say nothing about theirs; "" if there is none.
	Default string `json:"default,omitempty"`
	// Parties and Users are how many are remembered, and LookUps how many look-ups are under
	// way.
	Parties int `json:"parties"`
	Users   int `json:"users"`
	LookUps int `json:"lookUps"`
	// Hits counts the requests whose shard was known, and Misses those that had to wait for
	// a look-up. Requests that need none count as neither.
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
	// Refused counts the requests that were refused, by the reason.
	Refused map[Reason]uint64 `json:"refused,omitempty"`
	// Events counts the events.
	Events []ShardEventCount `json:"events,omitempty"`
	// File is the state of the config file that is followed; nil if there is none.
	File *FileStatus `json:"file,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (s RouterStatus) MarshalJSON() ([]byte, error) {
	type plain RouterStatus
	s.At = utc(s.At)
	return json.Marshal(plain(s))
}

// Live returns how many shards can take requests, if only by one of their clients.
func (s RouterStatus) Live() (n int) {
	for _, x := range s.Shards {
		if x.State == ShardLive || x.State == ShardDegraded {
			n++
		}
	}
	return n
}

// AllRefused returns how many requests were refused.
func (s RouterStatus) AllRefused() (n uint64) {
	for _, m := range s.Refused {
		n += m
	}
	return n
}

// ShardEventKind is the kind of a ShardEvent.
type ShardEventKind string

// The kinds of events of a router of shards.
const (
	// ShardEventShards reports that the shards have changed. The shards in effect are reported
	// again after a config file that was refused.
	ShardEventShards ShardEventKind = "shards"
	// ShardEventDiscoveryFailed reports that look-ups at a shard have begun to fail, and
	// ShardEventDiscoveryRegained that they work again.
	ShardEventDiscoveryFailed   ShardEventKind = "discovery_failed"
	ShardEventDiscoveryRegained ShardEventKind = "discovery_regained"
	// ShardEventIdentityMismatch reports a shard that is another participant than it should
	// be, and gets no requests. ShardEventIdentityRestored reports that it is the right one
	// again.
	ShardEventIdentityMismatch ShardEventKind = "identity_mismatch"
	ShardEventIdentityRestored ShardEventKind = "identity_restored"
	// ShardEventSameParticipant reports that two shards are one participant.
	ShardEventSameParticipant ShardEventKind = "same_participant"
	// ShardEventTruncated reports that a shard lists more parties or users than are
	// remembered.
	ShardEventTruncated ShardEventKind = "truncated"
	// ShardEventMoved reports the first submission of a party that was refused since it
	// would move to another shard.
	ShardEventMoved ShardEventKind = "moved"
	// ShardEventConfig reports that a config file that is followed was refused.
	ShardEventConfig ShardEventKind = "config_refused"
)

// ShardEvent is one change among the shards of a router.
type ShardEvent struct {
	// Number counts the events of a router, from 1.
	Number uint64         `json:"number"`
	At     time.Time      `json:"at,omitzero"`
	Kind   ShardEventKind `json:"kind"`
	// Shard is the name of the shard, if the event is about one.
	Shard string `json:"shard,omitempty"`
	// Detail is for people: one line of at most 200 bytes, printable, which may contain
	// text of a server.
	Detail string `json:"detail,omitempty"`
}

// String returns the event in one line, such as
//
//	discovery_failed: shard "p2": Unavailable: connection refused
func (e ShardEvent) String() string {
	line := []byte(e.Kind)
	if e.Shard != "" {
		line = fmt.Appendf(line, ": shard %q", e.Shard)
	}
	if e.Detail != "" {
		line = append(append(line, ": "...), e.Detail...)
	}
	return string(line)
}

// MarshalJSON implements json.Marshaler.
func (e ShardEvent) MarshalJSON() ([]byte, error) {
	type plain ShardEvent
	e.At = utc(e.At)
	return json.Marshal(plain(e))
}

// Bad reports whether the event needs the attention of an operator.
func (e ShardEvent) Bad() bool {
	switch e.Kind {
	case ShardEventDiscoveryFailed, ShardEventIdentityMismatch, ShardEventSameParticipant, ShardEventTruncated, ShardEventMoved,
		ShardEventConfig:
		return true
	default:
		return false
	}
}

// ShardEventCount is how often events of a kind have happened at a shard that is listed, or
// at none.
type ShardEventCount struct {
	Kind  ShardEventKind `json:"kind"`
	Shard string         `json:"shard,omitempty"`
	Count uint64         `json:"count"`
}
