package healthcheck

import (
	"context"
	"errors"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/report"
)

// Func makes a Probe of a function. target names for status what f asks; it must
// hold no secret. f must return when its context ends; a panic in f is not
// caught.
//
// f may leave the Reason of its Verdict empty: then it is the one that goes with
// the Outcome. Its Detail is made one printable line of at most 200
// bytes. What f says after its
// context was cancelled counts as ReasonCanceled, except Serving and NotServing.
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

// reasonOf is the reason that goes with an outcome for which none was given.
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
