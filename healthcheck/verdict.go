package healthcheck

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/report"
)

// NewVerdict makes a Verdict, bounding the outcome and cleaning and bounding detail, which may come from
// a peer.
func NewVerdict(o report.Outcome, r report.Reason, detail string) report.Verdict {
	return report.Verdict{Outcome: o.Bounded(), Reason: r, Detail: cleantext.Detail(detail)}
}

// Probe makes one attempt to learn an endpoint's health.
//
// Probe must return when ctx ends. It must be safe for one call at a time; a
// Monitor and a load-balancing policy never run two at once. The verdict on a
// deadline is the Probe's to give (usually Failed with ReasonProbeTimeout); if
// ctx was cancelled, it is Inconclusive with ReasonCanceled.
type Probe interface {
	Probe(ctx context.Context) report.Verdict
	// Kind tells what sort of probe this is, for status and metrics.
	Kind() report.ProbeKind
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
	Watch(ctx context.Context, push func(report.Verdict)) report.Verdict
}

// Transition is one change of an endpoint's State.
type Transition struct {
	// Target is the name of the endpoint.
	Target string
	From   report.HealthState
	To     report.HealthState
	Reason report.Reason
	Detail string
	// Kind is the probe that brought it about, or KindNone.
	Kind report.ProbeKind
	// At is when it happened, and Held how long the From state had lasted.
	At   time.Time
	Held time.Duration
}
