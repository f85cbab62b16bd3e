package faults

import (
	"fmt"
	"math"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// The limits of the claims about slow servers.
const (
	hedgedLimit    = 0.15 // seconds, p99.9 while one of three hangs
	leastSuccess   = 0.999
	hedgedSuccess  = 0.9999
	calmExtraLimit = 0.03 // of the calls, hedges while nothing is slow
	// stormExtraLimit is half of the default retry budget, of the calls: 20 % and ten
	// a second.
	stormExtraLimit = (0.2 + 10.0/weighRate) / 2
	slowP99Limit    = 1.5  // of the p99 while nothing is slow
	calmRatioLimit  = 0.97 // of p50 without hedges to p50 with them
)

func (r *Report) slowChecks(add func(check, bool)) {
	add(r.succeeds(idLinkerd, idOursLeast, leastSuccess))
	add(r.succeeds(idLinkerd, idOursLeastHedged, hedgedSuccess))
	for _, id := range []string{idOursHedged, idOursLeastHedged} {
		add(r.within(idCalm, id, ofExtra, calmExtraLimit, fmt.Sprintf("%s, %s: hedges add at most 3 %% to the load (median)", idCalm, id)))
		add(r.within(idStorm, id, ofExtra, stormExtraLimit,
			fmt.Sprintf("%s, %s: hedges add at most half of the retry budget, %.0f %% (median)", idStorm, id, 100*stormExtraLimit)))
	}
	add(r.slowTail(idOursLeast))
	add(r.slowTail(idOursLeastHedged))
	add(r.costsNothing())
}

// succeeds compares the success of all calls of all runs.
func (r *Report) succeeds(scenario, peer string, limit float64) (check, bool) {
	v := r.values(scenario, peer, ofSuccess)
	calls, failed := 0, 0
	for _, one := range r.of(scenario) {
		calls += one.peers[peer].calls
		failed += one.peers[peer].failed
	}
	share := 1 - float64(failed)/math.Max(float64(calls), 1)
	low, high, known := stats.MedianInterval(v, confidence)
	shown := fmt.Sprintf("%.4f %% of %d calls", 100*share, calls)
	if known {
		shown += fmt.Sprintf(", 95 %% interval of the runs' median %.4f to %.4f %%", 100*low, 100*high)
	}
	return check{
		claim: fmt.Sprintf("%s, %s: at least %g %% of the calls are answered within 1 s", scenario, peer, 100*limit),
		shown: shown, holds: share >= limit, single: len(v) == 1,
	}, len(v) > 0
}

// within compares the median of a metric with a limit.
func (r *Report) within(scenario, peer string, of func(measured) float64, limit float64, claim string) (check, bool) {
	v := withoutNaN(r.values(scenario, peer, of))
	return check{
		claim: claim, shown: medianAndWorst(v, "%.4f", ""), holds: stats.Summarize(v).Median <= limit, single: len(v) == 1,
	}, len(v) > 0
}

// slowTail compares the p99 while one is slow with that while nothing is.
func (r *Report) slowTail(peer string) (check, bool) {
	slow, calm := r.values(idMiddle, peer, ofP99), r.values(idCalm, peer, ofP99)
	ratio := stats.Summarize(slow).Median / stats.Summarize(calm).Median
	return check{
		claim: fmt.Sprintf("%s, %s: p99 at most %g times that of %s (medians)", idMiddle, peer, slowP99Limit, idCalm),
		shown: fmt.Sprintf("%.2f", ratio), holds: ratio <= slowP99Limit, single: len(slow) == 1,
	}, len(slow) > 0 && len(calm) > 0
}

// costsNothing compares p50 without and with hedges within each run.
func (r *Report) costsNothing() (check, bool) {
	v := r.ratios(idCalm, idOurs, idOursHedged)
	return check{
		claim: fmt.Sprintf("%s: p50 without hedges is at least %g of p50 with them", idCalm, calmRatioLimit),
		shown: ratioText(v), holds: stats.Summarize(v).Median >= calmRatioLimit, single: len(v) == 1,
	}, len(v) > 0
}
