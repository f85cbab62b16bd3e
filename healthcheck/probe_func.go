package healthcheck

import (
	"context"
	"errors"
)

// Func makes a Probe of a function. target names for status what f asks; it must
// hold no secret. f must return when its context ends; a panic in f is not
// caught.
//
// f may leave the Reason of its Verdict empty: then it is the one that goes with
// the Outcome. Its Detail is cleaned by CleanDetail. What f says after its
// context was cancelled counts as ReasonCanceled, except Serving and NotServing.
func Func(target string, f func(ctx context.Context) Verdict) Probe {
	return funcProbe{target: target, f: f}
}

type funcProbe struct {
	target string
	f      func(ctx context.Context) Verdict
}

func (funcProbe) Kind() Kind       { return KindFunc }
func (p funcProbe) Target() string { return p.target }

func (p funcProbe) Probe(ctx context.Context) Verdict {
	if p.f == nil {
		return NewVerdict(Failed, ReasonProbeError, "no function to call; want one that is not nil")
	}
	v := p.f(ctx)
	if v.Outcome != Serving && v.Outcome != NotServing && errors.Is(ctx.Err(), context.Canceled) {
		return NewVerdict(Inconclusive, ReasonCanceled, v.Detail)
	}
	if v.Reason == ReasonNone {
		v.Reason = reasonOf(ctx, v.Outcome)
	}
	return NewVerdict(v.Outcome, v.Reason, v.Detail)
}

// reasonOf is the reason that goes with an outcome for which none was given.
func reasonOf(ctx context.Context, o Outcome) Reason {
	switch {
	case o == Serving:
		return ReasonServing
	case o == NotServing:
		return ReasonNotServing
	case o == Failed && ctx.Err() != nil:
		return ReasonProbeTimeout
	default:
		return ReasonProbeError
	}
}
