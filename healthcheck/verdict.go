package healthcheck

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Outcome is what one probe said of an endpoint.
type Outcome uint8

// The outcomes of a probe.
const (
	// Inconclusive: nothing was learnt; the state stays as it is.
	Inconclusive Outcome = iota
	// Serving: the endpoint answered that it serves.
	Serving
	// NotServing: the endpoint answered, and its answer was that it does not
	// serve. This is the server's own word, so it takes effect at once: the
	// fall threshold is for failures, which may be mere accidents.
	NotServing
	// Failed: the probe got no usable answer. It counts towards fall.
	Failed
)

// String gives the word used in logs and metrics.
func (o Outcome) String() string {
	switch o {
	case Serving:
		return "serving"
	case NotServing:
		return "not_serving"
	case Failed:
		return "failed"
	default:
		return "inconclusive"
	}
}

// Kind is the way in which a verdict was learnt.
type Kind string

// The kinds of probes.
const (
	KindNone      Kind = ""
	KindGRPCCheck Kind = "grpc_check"
	KindGRPCWatch Kind = "grpc_watch"
	KindHTTP      Kind = "http"
	KindTCP       Kind = "tcp"
	KindFunc      Kind = "func"
	// KindConnectivity: no probe at all; being connected is what counts.
	KindConnectivity Kind = "connectivity"
)

// MaxDetail bounds a Verdict's Detail, in bytes.
const MaxDetail = 200

// Verdict is what one probe said: an outcome, always with a reason.
type Verdict struct {
	Outcome Outcome
	Reason  Reason
	// Detail is free text for people, such as an error message of the server:
	// at most MaxDetail bytes, of printable characters only. Empty if the
	// reason says it all.
	Detail string
}

// NewVerdict makes a Verdict, cleaning and bounding detail, which may come from
// a peer.
func NewVerdict(o Outcome, r Reason, detail string) Verdict {
	return Verdict{Outcome: o, Reason: r, Detail: CleanDetail(detail)}
}

// CleanDetail returns s as one line of printable characters of at most
// MaxDetail bytes. Longer text is cut at a character boundary and ends in "...".
func CleanDetail(s string) string {
	const ellipsis = "..."
	cut := len(s) > MaxDetail
	if cut {
		s = s[:MaxDetail-len(ellipsis)]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
	if cut {
		s += ellipsis
	}
	return s
}

// Probe makes one attempt to learn an endpoint's health.
//
// Probe must return when ctx ends. It must be safe for one call at a time; a
// Monitor and a load-balancing policy never run two at once. The verdict on a
// deadline is the Probe's to give (usually Failed with ReasonProbeTimeout); if
// ctx was cancelled, it is Inconclusive with ReasonCanceled.
type Probe interface {
	Probe(ctx context.Context) Verdict
	// Kind tells what sort of probe this is, for status and metrics.
	Kind() Kind
	// Target tells what is asked, such as `grpc service "mediator" at
	// 10.0.0.1:10043`. It holds no secret.
	Target() string
}

// Watcher learns an endpoint's health by being told of its changes.
//
// Watch calls push for every verdict that arrives, one at a time, and returns
// when ctx ends or the watch breaks. Its result tells why it ended: a Verdict
// with an outcome other than Inconclusive is a statement about the endpoint
// (such as ReasonUnknownService) and counts as one; ReasonUnimplemented means
// that this endpoint cannot be watched, so that it is not tried again on the
// same connection.
type Watcher interface {
	Watch(ctx context.Context, push func(Verdict)) Verdict
}

// Transition is one change of an endpoint's State.
type Transition struct {
	// Target is the name of the endpoint.
	Target string
	From   State
	To     State
	Reason Reason
	Detail string
	// Kind is the probe that brought it about, or KindNone.
	Kind Kind
	// At is when it happened, and Held how long the From state had lasted.
	At   time.Time
	Held time.Duration
}
