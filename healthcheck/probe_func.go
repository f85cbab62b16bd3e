package healthcheck

import (
	"context"
	"errors"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// Func returns a Probe that calls f. target describes what f probes, for status; it
// must contain no secret. f should return when its context ends: one that does not is
// left alone, and counts as a failed probe until it returns. A panic in f is a failed
// probe, and is logged by grpc's logger.
//
// f may leave the Reason of its Verdict empty; the Reason then follows from the
// Outcome. The Detail is reduced to one printable line of at most 200 bytes. A
// verdict that f returns after its context was cancelled counts as ReasonCanceled,
// unless it is Serving or NotServing.
func Func(target string, f func(ctx context.Context) report.Verdict) Probe {
	return funcProbe{target: target, f: f}
}

type funcProbe struct {
	target string
	f      func(ctx context.Context) report.Verdict
}

func (funcProbe) Kind() report.ProbeKind { return report.KindFunc }
func (p funcProbe) Target() string       { return p.target }

func (p funcProbe) Probe(ctx context.Context) report.Verdict {
	if p.f == nil {
		return checking.NewVerdict(report.Failed, report.ReasonProbeError, "no function to call; want one that is not nil")
	}
	v := p.f(ctx)
	if v.Outcome != report.Serving && v.Outcome != report.NotServing && errors.Is(ctx.Err(), context.Canceled) {
		return checking.NewVerdict(report.Inconclusive, report.ReasonCanceled, v.Detail)
	}
	if v.Reason == report.ReasonNone {
		v.Reason = reasonOf(ctx, v.Outcome)
	}
	return checking.NewVerdict(v.Outcome, v.Reason, v.Detail)
}

// reasonOf returns the reason for an outcome without one.
func reasonOf(ctx context.Context, o report.Outcome) report.Reason {
	switch {
	case o == report.Serving:
		return report.ReasonServing
	case o == report.NotServing:
		return report.ReasonNotServing
	case o == report.Failed && ctx.Err() != nil:
		return report.ReasonProbeTimeout
	default:
		return report.ReasonProbeError
	}
}
