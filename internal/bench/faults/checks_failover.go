package faults

import (
	"fmt"
	"math"
	"slices"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// The limits of the claims about failover, in seconds.
const (
	ownShare     = 1.3  // beyond the takeover, if the active replica hangs
	ownShareTold = 0.3  // the same, if it refuses connections or says NOT_SERVING
	pushLimit    = 0.05 // from the push to the switch
)

// failoverChecks adds the claims for which there are measurements.
func (r *Report) failoverChecks(add func(check, bool)) {
	both := []string{idActive, idActiveOnce}
	for _, id := range []string{idStopActive, idPartition} {
		for _, peer := range both {
			add(r.answersWithin(id, peer, ownShare))
		}
	}
	for _, id := range []string{idPlanned, idPlannedAnswers, idHandOver, idKillActive, idKillAnswers, idKillSlow, idKills} {
		for _, peer := range both {
			add(r.answersWithin(id, peer, ownShareTold))
		}
	}
	for _, id := range []string{idPlanned, idPlannedAnswers, idHandOver} {
		for _, peer := range both {
			add(r.noneFails(id, peer, fmt.Sprintf("`%s`, `%s`: 0 failed unary calls", id, peer)))
		}
	}
	for _, peer := range both {
		add(r.switchesWithin(idHandOver, peer, pushLimit))
	}
	add(r.noneFails(idKills, idActive, fmt.Sprintf("`%s`, `%s`: 0 failed, with a deadline of %s", idKills, idActive, spell(killsCall))))
	for _, peer := range both {
		add(r.noMoreSwitches(peer))
	}
	for _, id := range []string{idFlapStandby, idFlapActive} {
		for _, peer := range both {
			add(r.boundedSwitches(id, peer))
		}
	}
	for _, peer := range both {
		add(r.noStray(peer))
	}
}

// answersWithin compares the worst takeover with the limit.
func (r *Report) answersWithin(scenario, peer string, limit float64) (check, bool) {
	v := r.allOf(scenario, peer, ofBeyond)
	return check{
		claim: fmt.Sprintf("`%s`, `%s`: own share of the time without an answer, beyond the takeover, at most %.1f s (worst)", scenario, peer, limit),
		shown: medianAndWorst(v, "%.2f", " s"), holds: stats.Summarize(v).Max <= limit, single: len(r.of(scenario)) == 1,
	}, len(v) > 0
}

// switchesWithin compares the median with the limit, which is about the time that a
// busy machine needs to wake up a process.
func (r *Report) switchesWithin(scenario, peer string, limit float64) (check, bool) {
	v := r.allOf(scenario, peer, ofSwitched)
	return check{
		claim: fmt.Sprintf("`%s`, `%s`: switch at most %.0f ms after the push of NOT_SERVING (median)", scenario, peer, 1000*limit),
		shown: medianAndWorst(scaled(v, 1000), "%.1f", " ms"), holds: stats.Summarize(v).Median <= limit, single: len(r.of(scenario)) == 1,
	}, len(v) > 0
}

// boundedSwitches compares the switches with the bound of package failover for n
// replicas of which one stays healthy, however the others flap: n-1.
func (r *Report) boundedSwitches(scenario, peer string) (check, bool) {
	v := r.values(scenario, peer, func(m measured) float64 { return float64(m.followed.switches) })
	if len(v) == 0 {
		return check{}, false
	}
	one := r.of(scenario)[0]
	bound := one.scenario.servers - 1
	return check{
		claim: fmt.Sprintf("`%s` for %s, `%s`: at most %d switch, the bound of package failover", scenario, spell(one.plan.hold), peer, bound),
		shown: medianAndWorst(v, "%.0f", ""), holds: stats.Summarize(v).Max <= float64(bound), single: len(v) == 1,
	}, true
}

// noMoreSwitches expects one switch with a reason for each takeover of all runs,
// and no other.
func (r *Report) noMoreSwitches(peer string) (check, bool) {
	switches, takeovers, holds, found := 0, 0, true, false
	for _, one := range r.runs {
		m, ok := one.peers[peer]
		if !ok {
			continue
		}
		f := m.followed
		found = true
		switches += f.switches
		takeovers += len(f.switched)
		holds = holds && f.extra == 0 && f.untold == 0 && f.switches == len(f.switched)
	}
	return check{
		claim: fmt.Sprintf("All scenarios, `%s`: one switch for each takeover of the replicas, with its reason, and no other", peer),
		shown: fmt.Sprintf("%d switches, %d takeovers", switches, takeovers), holds: holds,
	}, found
}

// noStray expects no call at a passive replica or a second active one. SIGSTOP is
// excluded: calls that were sent before the hang was detected are read when the
// replica continues.
func (r *Report) noStray(peer string) (check, bool) {
	passive, second, found := 0, 0, false
	for _, one := range r.runs {
		m, ok := one.peers[peer]
		if !ok || one.scenario.id == idStopActive {
			continue
		}
		found = true
		passive += m.followed.passive
		second += m.followed.second
	}
	return check{
		claim: fmt.Sprintf("All scenarios but `%s`, `%s`: no call at a passive replica or a second active", idStopActive, peer),
		shown: fmt.Sprintf("%d and %d", passive, second), holds: passive+second == 0,
	}, found
}

func ofBeyond(m measured) []float64   { return m.followed.beyond }
func ofSwitched(m measured) []float64 { return m.followed.switched }

// allOf returns a peer's values of all takeovers in the runs of a scenario.
func (r *Report) allOf(scenario, peer string, of func(measured) []float64) []float64 {
	var out []float64
	for _, one := range r.of(scenario) {
		out = append(out, of(one.peers[peer])...)
	}
	return out
}

// failoverMetrics are the metrics in addition to those of all suites.
var failoverMetrics = []metric{
	{"longest time without an answer", "s", func(m measured) float64 { return m.followed.silent }},
	{"beyond the takeover, worst", "s", func(m measured) float64 { return worst(m.followed.beyond) }},
	{"takeovers without an answer", "1", func(m measured) float64 { return float64(unanswered(m.followed.beyond)) }},
	{"serving to switch, worst", "s", func(m measured) float64 { return worst(m.followed.switched) }},
	{"switches", "1", func(m measured) float64 {
		if m.followed.ours {
			return float64(m.followed.switches)
		}
		return math.NaN()
	}},
	{"calls at a passive replica", "1", func(m measured) float64 { return float64(m.followed.passive) }},
	{"calls at a second active", "1", func(m measured) float64 { return float64(m.followed.second) }},
}

// worst returns the greatest of the times; NaN if there is none.
func worst(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	return stats.Summarize(v).Max
}

func unanswered(v []float64) (n int) {
	for _, x := range v {
		if math.IsInf(x, 1) {
			n++
		}
	}
	return n
}

// metrics returns the metrics of the suite.
func (s Suite) metrics() []metric {
	if s == Failover {
		return slices.Concat(metrics, failoverMetrics)
	}
	return metrics
}
