package faulttest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// Whatever is drawn and whatever comes back into rotation when, half of the
// servers are left alone, and two at most make calls fail, each for long.
func TestAPlanLeavesEnoughServersAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "draw") }
		var p Plan
		var began [Servers]int
		for tick := range 100 {
			var inRotation [Servers]bool
			for i := range inRotation {
				// Before its fault a server is in rotation; during it, perhaps, since the
				// client need not have noticed.
				inRotation[i] = !p.servers[i].away || rapid.Bool().Draw(t, "in rotation")
			}
			before := p
			var step Step
			p, step = p.Next(inRotation, draw)
			was := before.servers[step.Server]
			switch {
			case step.Ends:
				assert.Equal(t, step.Fault, was.fault)
				least := leastOther
				if step.Fault.harms() {
					least = leastHarmed
				}
				assert.GreaterOrEqual(t, tick-began[step.Server], least)
			case step.Fault != None:
				assert.Equal(t, None, was.fault, "one fault at a time")
				assert.True(t, inRotation[step.Server], "it has recovered from the last one")
				began[step.Server] = tick
			}
			disturbed, harmed := p.disturbed()
			assert.LessOrEqual(t, disturbed, mostDisturbed)
			assert.LessOrEqual(t, harmed, mostHarmed)
		}
	})
}

func TestAPlanIsTheSameForTheSameSeedAndComesToEveryFaultAndItsEnd(t *testing.T) {
	steps := func(seed uint64) []Step {
		var p Plan
		var out []Step
		draw := seeded(seed)
		for range 1000 {
			var inRotation [Servers]bool
			for i, s := range p.servers {
				inRotation[i] = s.fault == None
			}
			var step Step
			p, step = p.Next(inRotation, draw)
			out = append(out, step)
		}
		return out
	}
	first := steps(1)
	assert.Equal(t, first, steps(1))
	assert.NotEqual(t, steps(1), steps(2))
	begun, ended, idle := map[Fault]int{}, map[Fault]int{}, 0
	for _, s := range steps(3) {
		switch {
		case s.Fault == None:
			idle++
		case s.Ends:
			ended[s.Fault]++
		default:
			begun[s.Fault]++
		}
	}
	assert.Len(t, begun, int(faults)-1)
	assert.Len(t, ended, int(faults)-1)
	assert.Positive(t, idle, "the list in another order")
	assert.Less(t, idle, 500, "a tick mostly brings a fault, or its end")
}

func TestAPlanEndsWhatIsUnderWayAndTellsWhoDoesNotComeBack(t *testing.T) {
	p := Plan{tick: 100}
	p.servers[1] = condition{fault: Hung, away: true}
	p.servers[2] = condition{away: true, since: 89}
	p.servers[3] = condition{away: true, since: 90}
	assert.Equal(t, []Step{{Server: 1, Fault: Hung, Ends: true}}, p.Ends())
	assert.Equal(t, []int{2}, p.Overdue(10))
}

func TestFaultsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for f := range faults {
		assert.NotEmpty(t, f.String())
		seen[f.String()] = true
	}
	assert.Len(t, seen, int(faults))
}
