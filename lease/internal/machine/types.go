package machine

import (
	"time"

	"github.com/cantonlb/cantonlb/lease/store"
)

// Instant is a reading of the candidate's own clock, from an arbitrary origin.
type Instant = time.Duration

// Params are the settings of a candidate, validated before.
type Params struct {
	// Holder names the candidate; no other candidate has the same name.
	Holder string
	// TTL is how long a lease is held after its last renewal; Margin, how long before
	// that the candidate ends it by itself.
	TTL, Margin time.Duration
	// Renew is how often a holder renews, and the longest that a candidate waits to
	// read again; Poll the latter for a candidate that is not notified of changes.
	Renew, Poll time.Duration
	// Timeout bounds a request to the store.
	Timeout time.Duration
	// Delay is that of a Defer, from the beginning.
	Delay time.Duration
	// Stuck is how long work may take to return after its lease was lost.
	Stuck time.Duration
}

// Phase is where a candidate stands.
type Phase uint8

// The phases.
const (
	Following Phase = iota // another one holds the lease, or none: it is watched
	Acquiring              // the answer to an Acquire is awaited
	Holding                // it has the lease; work runs
	Draining               // the owner has ended the work; the lease is still renewed
	Lost                   // the work was ended because the lease was lost
	Releasing              // work has returned, and the lease is released
	Done                   // nothing more happens
)

// RequestKind is what is asked of the store.
type RequestKind uint8

// The kinds of requests.
const (
	Read RequestKind = iota
	Acquire
	Renew
	Release
)

// Request is one request to the store. The candidate awaits one at a time.
type Request struct {
	// Number distinguishes its answer from those of earlier ones; 0 is no request.
	Number uint64
	Kind   RequestKind
	// Record is what an Acquire has seen, and what a Renew or Release holds.
	Record store.Record
	// Sent is a reading of the clock before it was sent; at Deadline it has failed.
	Sent, Deadline Instant
}

// EventKind is what has happened.
type EventKind uint8

// The kinds of events.
const (
	Tick         EventKind = iota // time has passed
	Answered                      // the store has answered Number
	Changed                       // the store notifies that the lease may be free
	WatchEnded                    // the store does not notify of changes any more
	WorkReturned                  // the work has returned
	Stop                          // the owner wants an end
	Yield                         // the owner wants others to have the lease, and goes on as a candidate
	Defer                         // the owner leaves others Delay to take a lease that is free
)

// Outcome is what an answer says.
type Outcome uint8

// The outcomes.
const (
	OK       Outcome = iota
	Conflict         // nothing was written: the record is another one
	Failed           // whether anything was written is not known
)

// Event is one thing that has happened.
type Event struct {
	Kind EventKind
	// At is a reading of the clock after it has happened.
	At Instant
	// Rand is between 0 and 1, for jitter.
	Rand float64
	// Number, Outcome and Record are those of an answer.
	Number  uint64
	Outcome Outcome
	Record  store.Record
	// Now is the record after a change, if the store has sent it.
	Now *store.Record
	// Delay is that of a Defer; below zero the lease is left to others altogether.
	Delay time.Duration
}

// NewsKind is what the owner reports.
type NewsKind uint8

// The kinds of news.
const (
	NewsHolder      NewsKind = iota // another holder was seen, or none
	NewsAcquired                    // the lease was acquired
	NewsLost                        // the lease was lost
	NewsReleased                    // the lease was released
	NewsNotReleased                 // the lease could not be released: it is held until its TTL has passed
	NewsStuck                       // work has not returned although its lease was lost
	NewsFailing                     // the store fails
	NewsAnswering                   // the store answers again
	NewsRefused                     // the lease was acquired, and given back unused
)

// Why is the cause of news.
type Why uint8

// The causes.
const (
	WhyNone       Why = iota
	WhyFree           // the lease was free
	WhyExpired        // its holder has not renewed it for its TTL
	WhyOwn            // the record was the candidate's own
	WhyNotRenewed     // no renewal was answered in time
	WhyTaken          // the record is not the candidate's any more
	WhyReturned       // the work has returned
	WhyStopped        // the owner wanted an end
	WhyTokenBack      // the token is not greater than one that was seen before
	WhyLate           // the answer came after the lease had ended
	WhyYielded        // the owner wanted others to have the lease
)

// News is one thing to report, with the record that it is about.
type News struct {
	Kind   NewsKind
	Why    Why
	Record store.Record
}

// Effects are what is to be done after a step, in the order of the fields.
type Effects struct {
	// End ends the context of the work. State.Until is in the past then, or the owner
	// wants an end.
	End Why
	// Start starts the work, with State.Own and State.Until.
	Start bool
	// Request is sent to the store, if its Number is not 0.
	Request Request
	// News are reported.
	News []News
	// Finish: it is over.
	Finish bool
	// Wake is when a Tick is due, if nothing happens before.
	Wake Instant
}
