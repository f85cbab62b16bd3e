package faults

import (
	"cmp"
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// The ids of slow scenarios that checks name.
const (
	idLinkerd = "linkerd"
	idCalm    = "calm"
	idMiddle  = "slow-middle"
	idStorm   = "storm"
)

const (
	partSlow part = "slow"
	// slowDeadline is the timeout of Linkerd's experiment.
	slowDeadline = time.Second
	slowCall     = 10 * time.Millisecond
	// linkerdRate makes 100,000 calls of each peer in ten runs, and leaves half of two
	// processors idle.
	linkerdRate = 125
	weighRate   = 100
	slowLead    = 5 * time.Second
)

// linkerdPeers are the peers of Linkerd's experiment: of each kind the better one of the
// defaults and the tuned ones, since its calls are many.
var linkerdPeers = []string{
	"ours", "ours-least-loaded", "ours-least-loaded-hedged", "rr", "rr-outlier", "wrr-tuned", "least-request-tuned",
	"haproxy-leastconn-tuned", "nginx-least-conn-tuned",
}

// slowScenarios returns the scenarios of the suite Slow: Linkerd's published experiment,
// and the scenarios of Finagle's simulation of load balancers.
func slowScenarios() []*scenario {
	const s = time.Second
	list := []*scenario{
		{
			id: idLinkerd, title: "Linkerd's experiment: one of eleven takes 2 s for 30 s; success is an answer within 1 s",
			servers: 11, rate: linkerdRate, answers: true, script: toVictim(behave(modeStuck), behave(modeNormal)),
			peers: linkerdPeers,
			full:  plan{runs: 10, hold: 30 * s, after: 50 * s}, short: plan{runs: 1, hold: 5 * s, after: 2 * s},
		},
		{
			id: idCalm, title: "Nothing is slow",
			script: nothing,
			full:   plan{runs: 10, hold: 20 * s}, short: plan{runs: 1, hold: 4 * s},
		},
		{
			id: idMiddle, title: "Slow middle: one of five is ten times slower for a while", servers: 5,
			answers: true, script: toVictim(behave(modeSlow), behave(modeNormal)),
			full: plan{runs: 5, hold: 20 * s, after: 10 * s}, short: plan{runs: 1, hold: 4 * s, after: 2 * s},
		},
		{
			id: "cold-start", title: "Cold start: one of five is started again, and is ten times slower at first", servers: 5,
			script: coldStart,
			full:   plan{runs: 3, hold: 10 * s, after: 15 * s}, short: plan{runs: 1, hold: 3 * s, after: 2 * s},
		},
		{
			id: "failure-temporary", title: "Temporary failure: every call on one of five fails at once for a while", servers: 5,
			answers: true, script: toVictim(behave(modeFail), behave(modeNormal)),
			full: plan{runs: 3, hold: 10 * s, after: 15 * s}, short: plan{runs: 1, hold: 3 * s, after: 2 * s},
		},
		{
			id: "failure-permanent", title: "Permanent failure: every call on one of five fails at once from then on", servers: 5,
			script: permanent(behave(modeFail)),
			full:   plan{runs: 3, hold: 25 * s}, short: plan{runs: 1, hold: 5 * s},
		},
		{
			id: idStorm, title: "Storm: all are ten times slower at once",
			script: toAll(behave(modeSlow), behave(modeNormal)),
			full:   plan{runs: 5, hold: 20 * s, after: 5 * s}, short: plan{runs: 1, hold: 4 * s, after: 2 * s},
		},
	}
	for _, sc := range list {
		if sc.peers == nil {
			sc.peers = idsOf(weighing())
		}
		sc.part, sc.rate, sc.service = partSlow, cmp.Or(sc.rate, weighRate), slowCall
		sc.deadline, sc.reports = slowDeadline, true
		sc.fillIn()
		for _, p := range []*plan{&sc.full, &sc.short} {
			p.warmUp, p.lead = slowLead, slowLead
		}
		sc.short.warmUp, sc.short.lead = warmUp, lead
	}
	return list
}

// coldPause is how long the server is down before its cold start.
const coldPause = time.Second

// coldStart starts a server again that is slow for the plan's hold.
func coldStart(ctx context.Context, st *stage) error {
	if err := st.strike(ctx, kill, st.victim); err != nil {
		return err
	}
	if err := sleep.Context(ctx, coldPause); err != nil {
		return err
	}
	if err := st.cure(ctx, restart, st.victim); err != nil {
		return err
	}
	if _, err := behave(modeSlow)(ctx, st, st.victim); err != nil {
		return err
	}
	if err := sleep.Context(ctx, st.plan.hold); err != nil {
		return err
	}
	_, err := behave(modeNormal)(ctx, st, st.victim)
	return err
}

// permanent disturbs one server until the end of the plan's hold.
func permanent(harm act) script {
	return func(ctx context.Context, st *stage) error {
		if err := st.strike(ctx, harm, st.victim); err != nil {
			return err
		}
		return sleep.Context(ctx, st.plan.hold)
	}
}
