package faults

import (
	"fmt"
	"math"
	"slices"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// check is one claim about this library, compared with the measurements.
type check struct {
	claim  string
	shown  string
	holds  bool
	single bool // from one run only
}

// The limits of the claims.
const (
	onceLimit      = 1.3  // seconds to the last failing call, not idempotent, one hangs
	fastLimit      = 0.9  // the same, at 0.2 s
	backLimit      = 1.5  // seconds until back in rotation
	forgottenLimit = 2    // seconds to the last failing call, not idempotent, connections are forgotten
	shareLimit     = 0.01 // of the calls at a half-dead server
	ratioLimit     = 1.05 // of p50 to grpc-go's
	confidence     = 0.95
)

// checks returns the claims for which there are measurements.
func (r *Report) checks() []check {
	var out []check
	add := func(c check, ok bool) {
		if ok {
			out = append(out, c)
		}
	}
	if r.options.Suite == Failover {
		r.failoverChecks(add)
		return out
	}
	if r.options.Suite == Slow {
		r.slowChecks(add)
		return out
	}
	add(r.noneFails(idAcceptDefaults, idOurs, "One of three hangs, 900 calls/s, idempotent, deadline 2 s, defaults: 0 failed"))
	add(r.endsWithin(idAcceptDefaults, idOursOnce, onceLimit, "The same, not idempotent, deadline 1 s"))
	add(r.noneFails(idAccept10s, idOurs10s, "The same at interval 10 s, idempotent: 0 failed"))
	add(r.endsWithin(idAccept10s, idOurs10sOnce, onceLimit, "The same at interval 10 s, not idempotent"))
	add(r.noneFails(idNoReply, idOursHedged, "no-reply, with hedges: 0 failed"))
	add(r.within(idSIGSTOP, idOursHedged, ofP999, hedgedLimit, "sigstop, with hedges: p99.9 at most 0.15 s (median)"))
	add(r.noneFails(idAcceptFast, idOursFast, "The same at 0.2 s, idempotent, deadline 1 s: 0 failed"))
	add(r.endsWithin(idAcceptFast, idOursFastOnce, fastLimit, "The same at 0.2 s, not idempotent"))
	for _, id := range []string{
		idSIGSTOP, idSIGKILL, idRestart, idNotServing, idRolling, idGoAway, idList, idForgotten, idMute, idVirtual, idSlowLink, idStopped,
	} {
		add(r.noneFails(id, idOurs, id+", idempotent: 0 failed"))
	}
	add(r.noneFails(idForgotten, idOursElsewhere, "forgotten, idempotent, health on another port: 0 failed"))
	add(r.endsWithin(idForgotten, idOursOnce, forgottenLimit, "forgotten, not idempotent, health on the connection"))
	add(r.endsWithin(idForgotten, idOursElsewhereOnce, forgottenLimit, "forgotten, not idempotent, health on another port"))
	add(r.endsWithin(idMute, idOursOnce, onceLimit, "mute, not idempotent"))
	add(r.endsWithin(idVirtual, idOursOnce, onceLimit, "virtual, not idempotent"))
	for _, id := range []string{idSlowLink, idStopped} {
		add(r.noneFails(id, idOursOnce, id+", not idempotent: 0 failed"))
	}
	for _, id := range []string{idSIGKILL, idRestart, idNotServing, idRolling, idGoAway, idList} {
		add(r.noMoreThan(id, idOursOnce, idRRHealth))
	}
	for _, id := range []string{idFail, idFailOf2} {
		for _, peer := range []string{idOurs, idOursOnce} {
			add(r.fewAt(id, peer))
		}
	}
	for _, id := range []string{idSIGKILL, idOutage20, idOutage180} {
		add(r.backWithin(id, idOurs))
	}
	for _, peer := range []string{idOurs, idOursOnce} {
		add(r.asFastAs(peer, idRRHealth))
	}
	return out
}

func (r *Report) noneFails(scenario, peer, claim string) (check, bool) {
	v := r.values(scenario, peer, ofFailed)
	x := stats.Summarize(v)
	return check{
		claim: claim, shown: medianAndWorst(v, "%.0f", ""), holds: x.Max == 0, single: len(v) == 1,
	}, len(v) > 0
}

func (r *Report) endsWithin(scenario, peer string, limit float64, claim string) (check, bool) {
	v := r.values(scenario, peer, ofLastFailed)
	return check{
		claim: fmt.Sprintf("%s: the last failing call starts at most %.1f s after the fault (median)", claim, limit),
		shown: medianAndWorst(v, "%.2f", " s"), holds: stats.Summarize(v).Median <= limit, single: len(v) == 1,
	}, len(v) > 0
}

// noMoreThan compares sums over the runs in which both were measured.
func (r *Report) noMoreThan(scenario, peer, other string) (check, bool) {
	a, b := r.values(scenario, peer, ofFailed), r.values(scenario, other, ofFailed)
	sum := func(v []float64) (sum float64) {
		for _, x := range v {
			sum += x
		}
		return sum
	}
	return check{
		claim: fmt.Sprintf("%s, not idempotent: no more failed than of grpc-go with healthCheckConfig in the same runs", scenario),
		shown: fmt.Sprintf("%.0f, grpc-go %.0f", sum(a), sum(b)), holds: sum(a) <= sum(b), single: len(a) == 1,
	}, len(a) > 0 && len(b) > 0
}

func (r *Report) fewAt(scenario, peer string) (check, bool) {
	v := withoutNaN(r.values(scenario, peer, ofShare))
	p, _ := peerByID(peer)
	return check{
		claim: fmt.Sprintf("%s, %s: less than 1 %% of the calls at the half-dead server from 2 s on", scenario, p.label),
		shown: medianAndWorst(percents(v), "%.2f", " %"), holds: stats.Summarize(v).Max < shareLimit, single: len(v) == 1,
	}, len(v) > 0
}

func (r *Report) backWithin(scenario, peer string) (check, bool) {
	v := withoutNaN(r.values(scenario, peer, ofBack))
	return check{
		claim: fmt.Sprintf("%s: back in rotation at most %.1f s after the port listens (median)", scenario, backLimit),
		shown: medianAndWorst(v, "%.2f", " s"), holds: stats.Summarize(v).Median <= backLimit, single: len(v) == 1,
	}, len(v) > 0
}

// asFastAs compares p50 within each run.
func (r *Report) asFastAs(peer, other string) (check, bool) {
	v := r.ratios(idLatency, peer, other)
	p, _ := peerByID(peer)
	c := check{
		claim:  fmt.Sprintf("p50, %s: at most %.2f of grpc-go's with healthCheckConfig, or within the interval", p.label, ratioLimit),
		shown:  ratioText(v),
		single: len(v) == 1,
	}
	low, _, known := stats.MedianInterval(v, confidence)
	c.holds = stats.Summarize(v).Median <= ratioLimit || known && low <= ratioLimit
	return c, len(v) > 0
}

// ratios returns the p50 of a peer divided by that of another one in the same run.
func (r *Report) ratios(scenario, peer, other string) []float64 {
	var out []float64
	for _, one := range r.of(scenario) {
		a, b := one.peers[peer], one.peers[other]
		if a.p50 > 0 && b.p50 > 0 {
			out = append(out, a.p50/b.p50)
		}
	}
	return out
}

func ratioText(v []float64) string {
	x := stats.Summarize(v)
	low, high, known := stats.MedianInterval(v, confidence)
	if !known {
		return fmt.Sprintf("%.3f (%.3f to %.3f in %d runs, too few for an interval)", x.Median, x.Min, x.Max, len(v))
	}
	return fmt.Sprintf("%.3f, 95 %% interval %.3f to %.3f", x.Median, low, high)
}

func withoutNaN(v []float64) []float64 { return slices.DeleteFunc(slices.Clone(v), math.IsNaN) }

func percents(v []float64) []float64 { return scaled(v, 100) }

func scaled(v []float64, by float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = by * x
	}
	return out
}

// medianAndWorst returns the median of the values and, if there are several, the
// greatest one.
func medianAndWorst(v []float64, format, unit string) string {
	if len(v) == 0 {
		return "–"
	}
	x := stats.Summarize(v)
	show := func(v float64) string {
		if math.IsInf(v, 1) {
			return "never"
		}
		return fmt.Sprintf(format, v)
	}
	text := show(x.Median)
	if len(v) > 1 {
		text += " (" + show(x.Max) + ")"
	}
	return text + unit
}
