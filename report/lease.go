package report

import (
	"encoding/json"
	"fmt"
	"time"
)

// LeaseState is the state of a candidate for a lease.
type LeaseState string

// The states of a candidate for a lease.
const (
	// LeaseIdle means that the candidate does not run yet.
	LeaseIdle LeaseState = "idle"
	// LeaseCandidate means that the candidate watches the lease, and acquires it when it
	// can.
	LeaseCandidate LeaseState = "candidate"
	// LeaseHolder means that the candidate holds the lease, and its work runs.
	LeaseHolder LeaseState = "holder"
	// LeaseEnding means that the context of its work has ended, or the work has returned,
	// and the lease was lost or is being released.
	LeaseEnding LeaseState = "ending"
	// LeaseClosed means that the candidate has ended.
	LeaseClosed LeaseState = "closed"
)

// LeaseEventKind is the kind of a LeaseEvent.
type LeaseEventKind string

// The kinds of events of a candidate for a lease.
const (
	// LeaseEventHolder reports that another holder was seen; Holder is empty if the
	// lease is free.
	LeaseEventHolder LeaseEventKind = "holder"
	// LeaseEventAcquired reports that this candidate holds the lease. Reason is why it
	// could acquire it.
	LeaseEventAcquired LeaseEventKind = "acquired"
	// LeaseEventLost reports that this candidate no longer holds the lease, and that the
	// context of its work has ended.
	LeaseEventLost LeaseEventKind = "lost"
	// LeaseEventReleased reports that the work has returned, and that the lease is being
	// released.
	LeaseEventReleased LeaseEventKind = "released"
	// LeaseEventNotReleased reports that the release did not reach the store. Another
	// candidate can acquire the lease when its TTL has passed.
	LeaseEventNotReleased LeaseEventKind = "not_released"
	// LeaseEventRefused reports that the lease was acquired and is not used, because its
	// token is not greater than an earlier one, or because the answer came too late.
	LeaseEventRefused LeaseEventKind = "refused"
	// LeaseEventStuck reports that the work has not returned although its lease was lost
	// some time ago, or although it was stopped a TTL ago.
	LeaseEventStuck LeaseEventKind = "stuck"
	// LeaseEventStoreFailing and LeaseEventStoreAnswering report that the store no longer
	// answers, or answers again. One that can be read and refuses writes does not answer.
	LeaseEventStoreFailing   LeaseEventKind = "store_failing"
	LeaseEventStoreAnswering LeaseEventKind = "store_answering"
	// LeaseEventWatchEnded reports that the store does not notify of changes, so that the
	// candidate polls.
	LeaseEventWatchEnded LeaseEventKind = "watch_ended"
)

// LeaseEvent is one change of a candidate for a lease.
type LeaseEvent struct {
	// Number counts the candidate's events, from 1.
	Number uint64         `json:"number"`
	At     time.Time      `json:"at,omitzero"`
	Kind   LeaseEventKind `json:"kind"`
	// Name is the name of the lease. Holder and Token are those of the record that the
	// event is about.
	Name   string `json:"name"`
	Holder string `json:"holder,omitempty"`
	Token  uint64 `json:"token,omitempty"`
	Reason Reason `json:"reason,omitempty"`
	// Detail is a text for people: bounded, printable, and possibly from the store.
	Detail string `json:"detail,omitempty"`
}

// String returns the event as one line, such as
//
//	lease "pink": acquired by "host:1/8c5f" with token 7 (expired)
func (e LeaseEvent) String() string {
	line := fmt.Appendf(nil, "lease %q: %s", e.Name, e.Kind)
	if e.Holder != "" {
		by := " by"
		switch e.Kind {
		case LeaseEventHolder:
			by = ""
		case LeaseEventStuck:
			by = " at"
		default:
		}
		line = fmt.Appendf(line, "%s %q with token %d", by, e.Holder, e.Token)
	}
	return string(appendWhy(line, e.Reason, e.Detail))
}

// MarshalJSON implements json.Marshaler.
func (e LeaseEvent) MarshalJSON() ([]byte, error) {
	type plain LeaseEvent
	e.At = utc(e.At)
	return json.Marshal(plain(e))
}

// LeaseStatus is a snapshot of a candidate for a lease. It is a copy that does not change
// later.
type LeaseStatus struct {
	// Name is the name of the lease, and Candidate is this candidate's own name.
	Name      string     `json:"name"`
	Candidate string     `json:"candidate"`
	State     LeaseState `json:"state"`
	// Since is when State began.
	Since time.Time `json:"since,omitzero"`
	// Held reports that this candidate certainly held the lease when the snapshot was
	// taken. Until is when that ends if the lease is not renewed; it is zero unless State
	// is LeaseHolder or LeaseEnding.
	Held  bool      `json:"held"`
	Until time.Time `json:"until,omitzero"`
	// Holder is the last known holder of the lease, empty if there is none; Token is the
	// holder's, or the last one's.
	Holder string `json:"holder,omitempty"`
	Token  uint64 `json:"token,omitempty"`
	// Stuck reports that the work has not returned although it should have; see
	// LeaseEventStuck.
	Stuck bool `json:"stuck,omitempty"`
	// StoreFailing reports that the last request to the store has failed, or the last write
	// has and its record is still there. StoreError is the text of the last failure, empty
	// if there was none.
	StoreFailing bool   `json:"storeFailing,omitempty"`
	StoreError   string `json:"storeError,omitempty"`
	// Counts holds how often each event has happened, by its reason.
	Counts []LeaseEventCount `json:"counts,omitempty"`
}

// LeaseEventCount is how often events of a kind and with a reason have happened.
type LeaseEventCount struct {
	Kind   LeaseEventKind `json:"kind"`
	Reason Reason         `json:"reason,omitempty"`
	Count  uint64         `json:"count"`
}

// Count returns how often events of a kind have happened.
func (s LeaseStatus) Count(kind LeaseEventKind) (n uint64) {
	for _, c := range s.Counts {
		if c.Kind == kind {
			n += c.Count
		}
	}
	return n
}

// String returns the status as one line, such as
//
//	lease "pink": candidate, held by "host:1/8c5f" with token 7
func (s LeaseStatus) String() string {
	line := fmt.Appendf(nil, "lease %q: %s", s.Name, s.State)
	if s.Holder != "" {
		line = fmt.Appendf(line, ", held by %q with token %d", s.Holder, s.Token)
	}
	if s.Stuck {
		line = append(line, ", work is stuck"...)
	}
	if s.StoreFailing {
		line = fmt.Appendf(line, ", the store fails: %s", s.StoreError)
	}
	return string(line)
}

// MarshalJSON implements json.Marshaler. Times are RFC 3339 in UTC, and unknown values
// are omitted.
func (s LeaseStatus) MarshalJSON() ([]byte, error) {
	type plain LeaseStatus
	s.Since, s.Until = utc(s.Since), utc(s.Until)
	return json.Marshal(plain(s))
}
