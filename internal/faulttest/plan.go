package faulttest

import (
	"math/rand/v2"
	"slices"
)

// Fault is one way in which a server is disturbed.
type Fault uint8

// The faults. The plan later ends each of them.
const (
	// None leaves the server alone.
	None Fault = iota
	// Killed means that the process dies, and is later restarted.
	Killed
	// Stopped means that the process ends gracefully, with GOAWAY, and is later
	// restarted.
	Stopped
	// Hung means that the process is stopped, with its connections open.
	Hung
	// CutOff means that the network drops everything.
	CutOff
	// Disconnected means that all connections break, once.
	Disconnected
	// Failing means that each call fails UNAVAILABLE at once, while health checks
	// pass.
	Failing
	// Passive means that each call fails as on a passive replica, while health
	// checks pass.
	Passive
	// NotServing means that health checks say so, while calls would succeed.
	NotServing
	// Slow means that calls take long, while health checks pass.
	Slow
	// Drained means that the client has drained the server.
	Drained
	// Removed means that the server is not in the client's list.
	Removed
	faults
)

// String returns the fault's name.
func (f Fault) String() string {
	return [faults]string{
		"none", "killed", "stopped", "hung", "cut off", "disconnected", "failing", "passive", "not serving", "slow",
		"drained", "removed",
	}[f]
}

// harms reports whether a call on a server with this fault may fail.
func (f Fault) harms() bool { return f >= Killed && f <= Passive }

// The bounds of a plan. Times are in ticks; each tick has one step.
const (
	// Servers is how many servers a plan disturbs.
	Servers = 6
	// mostDisturbed bounds the servers that are disturbed, or have been and are not
	// back in rotation, at the same time. At least half of the servers are therefore
	// good at any time.
	mostDisturbed = 3
	// mostHarmed bounds those that make calls fail: one less than the number of
	// attempts of a call.
	mostHarmed = 2
	// leastHarmed is the least duration of a fault that makes calls fail. The
	// attempts of one call, each at most as long as it takes to detect a hang, are
	// over before that, so no call meets a third such fault.
	leastHarmed = 6
	leastOther  = 2
	spread      = 5 // a fault lasts up to this much longer
)

// Step is the action of one tick: a server's fault begins or ends, or, with the
// fault None, the client receives its list in another order.
type Step struct {
	Server int
	Fault  Fault
	Ends   bool
}

// Plan decides which server is disturbed next. It is a pure state machine. Its zero
// value is a plan without faults.
type Plan struct {
	tick    int
	servers [Servers]condition
}

// condition is the plan's state of one server.
type condition struct {
	fault Fault // None after its end
	until int   // the tick at which it may end
	// away says that the server was disturbed and has not been seen in rotation
	// since. since is the tick of the fault's end.
	away  bool
	since int
}

// Next returns the plan and the step of the next tick. inRotation says for each
// server whether the client would pick it now. draw returns a random number from 0
// to n-1.
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

// choices returns the possible next steps in groups of equal probability: the end
// of a fault, the beginning of one that makes calls fail, and the beginning of one
// that does not.
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

// disturbed returns the number of servers that are disturbed or not yet back in
// rotation, and the number of those that make calls fail.
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

// take applies the step.
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

// Ends returns the steps that end all faults.
func (p Plan) Ends() []Step {
	var steps []Step
	for i, s := range p.servers {
		if s.fault != None {
			steps = append(steps, Step{Server: i, Fault: s.fault, Ends: true})
		}
	}
	return steps
}

// Overdue returns the servers that have not been seen in rotation for more than
// ticks since their fault ended.
func (p Plan) Overdue(ticks int) []int {
	var out []int
	for i, s := range p.servers {
		if s.away && s.fault == None && p.tick-s.since > ticks {
			out = append(out, i)
		}
	}
	return out
}

// seeded returns a draw function that yields the same numbers for the same seed.
func seeded(seed uint64) func(n int) int { return rand.New(rand.NewPCG(seed, 0)).IntN }
