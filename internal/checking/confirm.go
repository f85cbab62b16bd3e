package checking

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// A probe on a new connection may take fallbackTimeouts times the deadline of a probe,
// since it has to connect first, but at most maxFallbackTimeout.
const (
	fallbackTimeouts   = 4
	maxFallbackTimeout = 2 * time.Second
)

// FallbackTimeout returns the deadline of a probe on a new connection, given that of a
// probe.
func FallbackTimeout(timeout time.Duration) time.Duration {
	return max(timeout, min(fallbackTimeouts*timeout, maxFallbackTimeout))
}

// confirm decides what it means that a Check was not answered on a line that is in
// use. The Check may have had to wait, or what the line is used for may come from
// another server behind a proxy. So the server is probed on a new connection and, if
// there are streams left, on the line with more time. The answer on the line decides.
// If only the new connection is answered, that says nothing about the line, and what
// it says in favour of the server may come from another machine. If neither is
// answered, that confirms both Checks: times is how often the verdict counts.
func (r *run) confirm(ctx context.Context, unanswered answer, timeout time.Duration) (a answer, times int) {
	if r.probes.Fallback == nil {
		return inUse(unanswered), 1
	}
	timeout = FallbackTimeout(timeout)
	fresh, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, 1)
	go func() { answers <- r.probe(fresh, r.probes.Fallback, timeout) }()
	if unanswered.Reason != report.ReasonNoStream {
		unanswered = r.probe(ctx, r.probes.Check, timeout)
	}
	if unanswered.answered() {
		cancel()
		<-answers
		return unanswered, 1
	}
	switch other := <-answers; {
	case other.Outcome == report.NotServing:
		return other, 1
	case other.answered():
		return inUse(unanswered), 1
	default:
		return other, 2
	}
}

// inUse returns that nothing is known. The reason is busy if the Check was sent.
func inUse(a answer) answer {
	if a.Reason != report.ReasonNoStream {
		a.Reason = report.ReasonBusy
	}
	a.Outcome = report.Inconclusive
	return a
}
