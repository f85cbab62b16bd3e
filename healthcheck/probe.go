package healthcheck

import (
	"context"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// Probe makes one attempt to determine an endpoint's health.
//
// Probe should return when ctx ends. One that does not is left alone: it counts as
// failed, and no further one is made until it returns. It must be safe for one call at
// a time; a Monitor and a load-balancing policy never run two at once. Kind and Target
// must return at once. At a deadline the
// Probe chooses the verdict, usually Failed with ReasonProbeTimeout. If ctx was
// cancelled, the verdict is Inconclusive with ReasonCanceled.
type Probe interface {
	Probe(ctx context.Context) report.Verdict
	// Kind returns the kind of the probe, for status and metrics.
	Kind() report.ProbeKind
	// Target describes what is probed, such as `grpc service "mediator" at
	// 10.0.0.1:10043`. It contains no secret.
	Target() string
}

// Watcher receives the changes of an endpoint's health.
//
// Watch calls push for every verdict that arrives, one at a time, and returns when
// ctx ends or the watch breaks. Its result says why it ended. A Verdict whose
// outcome is not Inconclusive is a statement about the endpoint (such as
// ReasonUnknownService) and counts as one. ReasonUnimplemented means that this
// endpoint cannot be watched; Watch is then not called again on the same
// connection.
type Watcher interface {
	Watch(ctx context.Context, push func(report.Verdict)) report.Verdict
}

// Probes determine the health of one target. Those that implement io.Closer are
// closed by the owner of the target.
type Probes struct {
	// Check runs at intervals. It detects a target that hangs. Required.
	Check Probe
	// Watch, if not nil, reports changes as they happen.
	Watch Watcher
	// Fallback, if not nil, runs after a Check that got no stream on a busy
	// connection (report.ReasonNoStream). Its verdict decides.
	Fallback Probe
}

// checking returns the probes in the form that a Checker takes.
func (p Probes) checking() checking.Probes {
	return checking.Probes{Check: p.Check, Watch: p.Watch, Fallback: p.Fallback}
}
