package faults

import "time"

// The ids of failover scenarios that checks name.
const (
	idPlanned        = "planned"
	idPlannedAnswers = "planned-answers"
	idHandOver       = "hand-over"
	idKillActive     = "kill"
	idKillAnswers    = "kill-answers"
	idStopActive     = "stop"
	idPartition      = "partition"
	idKillSlow       = "kill-10s"
	idBoth           = "both"
	idFlapStandby    = "flap-standby"
	idFlapActive     = "flap-active"
	idKills          = "kills"
)

const (
	partFailover  part = "failover"
	failoverCount      = 2 // replicas, as most of Canton's nodes have
	failoverCall       = 3 * time.Second
	// takeoverTime is the takeover time of the replicas; that of Canton's is 15 s to
	// 60 s.
	takeoverTime = time.Second
	killsCall    = 60 * time.Second // the budget that Canton's own test allows
	killCycle    = 5 * time.Second
	failoverLead = 500 * time.Millisecond
	overlap      = 500 * time.Millisecond // of two that serve, when the lock is handed over
)

// failoverScenarios returns the scenarios of the suite Failover. The replica that
// is active first is disturbed, unless the title says otherwise.
func failoverScenarios() []*scenario {
	const s, ms = time.Second, time.Millisecond
	list := []*scenario{
		{
			id: idPlanned, title: "The active replica steps down; a passive replica refuses connections",
			standby: standbyRefuses,
			script:  fall(stepDown, leaveIt),
			full:    plan{runs: 5, hold: 5 * s, after: 500 * ms}, short: plan{runs: 1, hold: 3 * s, after: 500 * ms},
		},
		{
			id: idPlannedAnswers, title: "The active replica steps down; a passive replica answers NODE_IS_PASSIVE_REPLICA",
			standby: standbyAnswers,
			script:  fall(stepDown, leaveIt),
			full:    plan{runs: 5, hold: 5 * s, after: 500 * ms},
		},
		{
			id: idHandOver, title: "The active replica steps down after the other one has served for " + spell(overlap),
			standby:  standbyAnswers,
			takeover: instantly, script: handOver,
			full: plan{runs: 5, hold: 2 * s, after: 500 * ms}, short: plan{runs: 1, hold: 2 * s, after: 500 * ms},
		},
		{
			id: idKillActive, title: "SIGKILL of the active replica, which returns as passive; a passive replica refuses connections",
			standby: standbyRefuses,
			script:  fall(kill, restart),
			full:    plan{runs: 5, hold: 5 * s, after: 1 * s}, short: plan{runs: 1, hold: 3 * s, after: 500 * ms},
		},
		{
			id: idKillAnswers, title: "SIGKILL of the active replica, which returns as passive; a passive replica answers NODE_IS_PASSIVE_REPLICA",
			standby: standbyAnswers,
			script:  fall(kill, restart),
			full:    plan{runs: 5, hold: 5 * s, after: 1 * s},
		},
		{
			id: idStopActive, title: "SIGSTOP of the active replica, then SIGCONT; a passive replica refuses connections",
			standby: standbyRefuses,
			script:  fall(sigstop, wakeUp),
			full:    plan{runs: 5, hold: 8 * s, after: 2 * s}, short: plan{runs: 1, hold: 3500 * ms, after: 1 * s},
		},
		{
			id: idPartition, title: "All packets to and from the active replica are dropped; a passive replica refuses connections",
			standby: standbyRefuses, network: true, script: fall(drop(bothWays), reunite),
			full: plan{runs: 1, hold: 8 * s, after: 3 * s},
		},
		{
			id: idKillSlow, title: "SIGKILL of the active replica, and a takeover of 10 s; a passive replica refuses connections",
			standby:  standbyRefuses,
			takeover: 10 * s, deadline: 15 * s, script: fall(kill, restart),
			full: plan{runs: 1, hold: 16 * s, after: 1 * s},
		},
		{
			id: idBoth, title: "Both replicas report that they are active: the second serves beside the first, and steps down",
			standby: standbyAnswers,
			script:  pretend,
			full:    plan{runs: 1, hold: 8 * s, after: 2 * s},
		},
		{
			id: idFlapStandby, title: "The standby flaps: it reports that it is active, and that it is not, in turn every second",
			standby: standbyAnswers,
			script:  flapStandby,
			full:    plan{runs: 1, hold: 120 * s, after: 1 * s}},
		{
			id: idFlapActive, title: "The active replica flaps: it loses the lock, and reports that it is passive, and active, in turn every second",
			standby:  standbyAnswers,
			takeover: 500 * ms, script: flapActive,
			full: plan{runs: 1, hold: 120 * s, after: 1 * s}, short: plan{runs: 1, hold: 20 * s, after: 500 * ms},
		},
		{
			id:       idKills,
			title:    "SIGKILL of the active replica every " + spell(killCycle) + ", which returns as passive; a passive replica refuses connections",
			standby:  standbyRefuses,
			deadline: killsCall, script: kills,
			full: plan{runs: 1, hold: 10 * killCycle, after: 1 * s}, short: plan{runs: 1, hold: 2 * killCycle, after: 500 * ms},
		},
	}
	for _, sc := range list {
		sc.part, sc.servers, sc.peers = partFailover, failoverCount, idsOf(followers())
		if sc.takeover == 0 {
			sc.takeover = takeoverTime
		}
		sc.takeover = max(0, sc.takeover) // instantly
		if sc.deadline == 0 {
			sc.deadline = failoverCall
		}
		sc.fillIn()
		for _, p := range []*plan{&sc.full, &sc.short} {
			p.warmUp, p.lead = failoverLead, failoverLead
		}
	}
	return list
}
