package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"google.golang.org/grpc/connectivity"
)

// Document is a Status with the events before it, oldest first, and the program's leases
// and routers of shards with theirs. Its JSON is that of the status, with the keys
// "events", "leases", "leaseEvents", "routers" and "shardEvents" added. It is what the
// status page serves with ?format=json.
type Document struct {
	Status      Status
	Events      []Event
	Leases      []LeaseStatus
	LeaseEvents []LeaseEvent
	Routers     []RouterStatus
	ShardEvents []ShardEvent
}

// statusJSON is the JSON form of a Status.
type statusJSON struct {
	State    string `json:"state"`
	Eligible int    `json:"eligible"`
	Total    int    `json:"total"`

	plainStatus

	// Of a Document:
	Events      []Event       `json:"events,omitempty"`
	Leases      []LeaseStatus `json:"leases,omitempty"`
	LeaseEvents []LeaseEvent  `json:"leaseEvents,omitempty"`

	Routers     []RouterStatus `json:"routers,omitempty"`
	ShardEvents []ShardEvent   `json:"shardEvents,omitempty"`
}

type plainStatus Status

// MarshalJSON implements json.Marshaler. Keys are only ever added to what it writes.
// Unknown values are omitted.
func (d Document) MarshalJSON() ([]byte, error) {
	s := d.Status
	s.At, s.NoneEligibleSince = utc(s.At), utc(s.NoneEligibleSince)
	if s.Endpoints == nil {
		s.Endpoints = []EndpointStatus{}
	}
	return json.Marshal(statusJSON{
		State: s.State.String(), Eligible: s.Eligible(), Total: len(s.Endpoints), plainStatus: plainStatus(s),
		Events: d.Events, Leases: d.Leases, LeaseEvents: d.LeaseEvents,
		Routers: d.Routers, ShardEvents: d.ShardEvents,
	})
}

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes.
func (d *Document) UnmarshalJSON(data []byte) error {
	var in statusJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	state, err := connectivityOf("state", in.State)
	if err != nil {
		return err
	}
	*d = Document{
		Status: Status(in.plainStatus), Events: in.Events, Leases: in.Leases, LeaseEvents: in.LeaseEvents,
		Routers: in.Routers, ShardEvents: in.ShardEvents,
	}
	d.Status.State = state
	return nil
}

// MarshalJSON implements json.Marshaler. States are words, times are RFC 3339 in UTC,
// durations are seconds, and unknown values are omitted.
func (s Status) MarshalJSON() ([]byte, error) { return Document{Status: s}.MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes. Fields
// that the JSON omits stay empty.
func (s *Status) UnmarshalJSON(data []byte) error {
	var d Document
	if err := d.UnmarshalJSON(data); err != nil {
		return err
	}
	*s = d.Status
	return nil
}

// endpointJSON is the JSON form of an EndpointStatus.
type endpointJSON struct {
	plainEndpoint

	Connection string `json:"connection"`
}

type plainEndpoint EndpointStatus

// MarshalJSON implements json.Marshaler.
func (e EndpointStatus) MarshalJSON() ([]byte, error) {
	e.Since, e.NextTry, e.Heard = utc(e.Since), utc(e.NextTry), utc(e.Heard)
	e.LeavingSince, e.PhaseSince = utc(e.LeavingSince), utc(e.PhaseSince)
	e.Health = cmp.Or(e.Health, HealthUnknown)
	return json.Marshal(endpointJSON{plainEndpoint(e), e.Connection.String()})
}

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes.
func (e *EndpointStatus) UnmarshalJSON(data []byte) error {
	var in endpointJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	connection, err := connectivityOf("connection", in.Connection)
	if err != nil {
		return err
	}
	*e = EndpointStatus(in.plainEndpoint)
	e.Connection = connection
	return nil
}

// MarshalJSON implements json.Marshaler.
func (f FailoverStatus) MarshalJSON() ([]byte, error) {
	type plain FailoverStatus
	f.Since = utc(f.Since)
	return json.Marshal(plain(f))
}

// MarshalJSON implements json.Marshaler.
func (h HandoverStatus) MarshalJSON() ([]byte, error) {
	type plain HandoverStatus
	h.Since = utc(h.Since)
	return json.Marshal(plain(h))
}

// MarshalJSON implements json.Marshaler.
func (f FileStatus) MarshalJSON() ([]byte, error) {
	type plain FileStatus
	f.LoadedAt, f.FailedAt = utc(f.LoadedAt), utc(f.FailedAt)
	return json.Marshal(plain(f))
}

// totalsJSON is the JSON form of Totals.
type totalsJSON struct {
	plainTotals

	NoneEligibleSeconds float64 `json:"noneEligibleSeconds"`
}

type plainTotals Totals

// MarshalJSON implements json.Marshaler.
func (t Totals) MarshalJSON() ([]byte, error) {
	return json.Marshal(totalsJSON{plainTotals(t), t.NoneEligibleTime.Seconds()})
}

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes.
func (t *Totals) UnmarshalJSON(data []byte) error {
	var in totalsJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*t = Totals(in.plainTotals)
	t.NoneEligibleTime = duration(in.NoneEligibleSeconds)
	return nil
}

// utc returns a time in the form for JSON: without the zone and the monotonic clock of
// this process.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}

// duration returns a number of seconds as a duration, rounded to the nanosecond.
// Numbers that exceed the range of a duration become the longest one.
func duration(seconds float64) time.Duration {
	ns := math.Round(seconds * float64(time.Second))
	switch {
	case ns >= math.MaxInt64:
		return math.MaxInt64
	case ns <= -math.MaxInt64:
		return -math.MaxInt64
	default:
		return time.Duration(ns)
	}
}

// connectivityOf returns the state of a connection that a word means. An empty word
// means IDLE.
func connectivityOf(key, word string) (connectivity.State, error) {
	for s := connectivity.Idle; s <= connectivity.Shutdown; s++ {
		if word == s.String() {
			return s, nil
		}
	}
	if word == "" {
		return connectivity.Idle, nil
	}
	return connectivity.Idle, fmt.Errorf("report: %s %q: want IDLE, CONNECTING, READY, TRANSIENT_FAILURE or SHUTDOWN", key, word)
}
