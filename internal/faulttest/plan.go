package faulttest

import (
	"math/rand/v2"
	"slices"
)

// Fault is one way in which a server is disturbed.
type Fault uint8

// The faults. After each the plan sooner or later says that it is to end.
const (
	// None: the server is left alone.
	None Fault = iota
	// Killed: the process dies, and is started again.
	Killed
	// Stopped: the process ends in good order, by GOAWAY, and is started again.
	Stopped
	// Hung: the process stands still, with its connections open.
	Hung
	// CutOff: the network swallows everything.
	CutOff
	// Disconnected: all connections break, once.
	Disconnected
	// Failing: each call fails UNAVAILABLE at once, and the health is fine.
	Failing
	// Passive: each call fails as on a passive replica, and the health is fine.
	Passive
	// NotServing: the health says so; calls would work.
	NotServing
	// Slow: calls take long, and the health is fine.
	Slow
	// Drained: the client has taken it out of rotation.
	Drained
	// Removed: it is not in the client's list.
	Removed
	faults
)

// String gives the fault's name.
func (f Fault) String() string {
	return [faults]string{
		"none", "killed", "stopped", "hung", "cut off", "disconnected", "failing", "passive", "not serving", "slow",
		"drained", "removed",
	}[f]
}

// harms tells whether a call on a server with this fault may fail.
func (f Fault) harms() bool { return f >= Killed && f <= Passive }

// Bounds of a plan. Times are in ticks, of which each brings one step.
const (
	// Servers is how many servers a plan disturbs.
	Servers = 6
	// mostDisturbed is how many are disturbed, or have been and are not back in
	// rotation, at the same time; so half of them are good at any time.
	mostDisturbed = 3
	// mostHarmed is how many of those may make calls fail: one less than the
	// attempts that a call has.
	mostHarmed = 2
	// leastHarmed is how long a fault lasts that makes calls fail. The attempts of
	// one call, each up to the time that it takes to find a hang, are over before:
	// so no call meets a third.
	leastHarmed = 6
	leastOther  = 2
	spread      = 5 // a fault lasts up to so much longer
)

// Step is what happens at one tick: a server's fault begins or ends, or, with the
// fault None, the client gets its list in another order.
type Step struct {
	Server int
	Fault  Fault
	Ends   bool
}

// Plan says which server is disturbed next. It is a pure state machine: its zero
// value knows that all is well.
type Plan struct {
	tick    int
	servers [Servers]condition
}

// condition is what the plan knows of one server.
type condition struct {
	fault Fault // None after its end
	until int   // the tick at which it may end
	// away tells that it was disturbed, and was not seen in rotation since; since is
	// the tick of the fault's end.
	away  bool
	since int
}

// Next gives the plan and the step of the next tick. inRotation tells of each
// server whether the client would pick it now, and draw gives a random number from
// 0 to n-1.
func (p Plan) Next(inRotation [Servers]bool, draw func(n int) int) (Plan, Step) {
	p.tick++
	for i := range p.servers {
		if s := &p.servers[i]; s.fault == None && inRotation[i] {
			s.away = false
		}
	}
	step := Step{}
	if choices := p.choices(); len(choices) > 0 {
		steps := choices[draw(len(choices))]
		step = steps[draw(len(steps))]
	}
	p.take(step, draw)
	return p, step
}

// choices gives the steps that may be next, in groups that are drawn alike: the end
// of a fault, the beginning of one that makes calls fail, and of one that does not.
func (p *Plan) choices() [][]Step {
	var ends, harms, others []Step
	disturbed, harmed := p.disturbed()
	for i, s := range p.servers {
		if s.fault != None && p.tick >= s.until {
			ends = append(ends, Step{Server: i, Fault: s.fault, Ends: true})
		}
		if s.away || disturbed >= mostDisturbed {
			continue
		}
		for f := None + 1; f < faults; f++ {
			switch {
			case !f.harms():
				others = append(others, Step{Server: i, Fault: f})
			case harmed < mostHarmed:
				harms = append(harms, Step{Server: i, Fault: f})
			}
		}
	}
	return slices.DeleteFunc([][]Step{ends, harms, others}, func(group []Step) bool { return len(group) == 0 })
}

// disturbed counts the servers that are disturbed or not back in rotation since,
// and those of them that make calls fail.
func (p *Plan) disturbed() (all, harmed int) {
	for _, s := range p.servers {
		if s.away {
			all++
		}
		if s.fault.harms() {
			harmed++
		}
	}
	return all, harmed
}

// take notes the step.
func (p *Plan) take(step Step, draw func(n int) int) {
	s := &p.servers[step.Server]
	switch {
	case step.Ends:
		s.fault, s.since = None, p.tick
	case step.Fault != None:
		least := leastOther
		if step.Fault.harms() {
			least = leastHarmed
		}
		*s = condition{fault: step.Fault, until: p.tick + least + draw(spread), away: true}
	}
}

// Ends gives the steps that end all faults.
func (p Plan) Ends() []Step {
	var steps []Step
	for i, s := range p.servers {
		if s.fault != None {
			steps = append(steps, Step{Server: i, Fault: s.fault, Ends: true})
		}
	}
	return steps
}

// Overdue gives the servers that have not been seen in rotation for more than
// ticks since their fault has ended.
func (p Plan) Overdue(ticks int) []int {
	var out []int
	for i, s := range p.servers {
		if s.away && s.fault == None && p.tick-s.since > ticks {
			out = append(out, i)
		}
	}
	return out
}

// seeded gives a draw that is the same for the same seed.
func seeded(seed uint64) func(n int) int { return rand.New(rand.NewPCG(seed, 0)).IntN }
