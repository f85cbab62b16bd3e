package healthcheck

import (
	"context"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

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

// Probes are the ways in which one target's health is learnt. Those that implement
// io.Closer are closed by the owner of the target.
type Probes struct {
	// Check is made at intervals: it finds the target that hangs. Required.
	Check Probe
	// Watch, if not nil, brings changes the moment they happen.
	Watch Watcher
	// Fallback, if not nil, is made in place of a Check that got no stream on a
	// busy connection (report.ReasonNoStream), and decides.
	Fallback Probe
}

// checking returns the probes as a Checker takes them.
func (p Probes) checking() checking.Probes {
	return checking.Probes{Check: p.Check, Watch: p.Watch, Fallback: p.Fallback}
}
