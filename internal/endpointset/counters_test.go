package endpointset

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/report"
)

func TestAPickIsCountedAndTellsWhetherTheConnectionIsEligible(t *testing.T) {
	var n counters
	assert.False(t, n.eligible(), "nobody is to begin with")
	assert.False(t, n.pick())
	n.unpick()
	assert.Equal(t, report.CallStats{}, n.counts())

	n.setEligible(true)
	n.setEligible(true)
	assert.True(t, n.eligible())
	assert.True(t, n.pick())
	n.setEligible(false)
	assert.False(t, n.pick(), "one that is given to it all the same, because nobody is eligible, or on trial")
	assert.Equal(t, report.CallStats{Picked: 2, InFlight: 2}, n.counts(), "the calls of before stay counted")
	n.heard.Add(1)
	assert.Equal(t, report.CallStats{Picked: 2, InFlight: 1, Heard: 1}, n.counts())
}

// Whoever finds no call in flight on a connection that is not eligible any more
// will find none later: a call is counted when it is let in, not after.
func TestNoCallSlipsInOnceTheConnectionIsNotEligible(t *testing.T) {
	for range 200 {
		var n counters
		n.setEligible(true)
		var picks sync.WaitGroup
		admitted := make([]uint64, 4)
		for i := range admitted {
			picks.Go(func() {
				for n.pick() {
					admitted[i]++
				}
				n.unpick()
			})
		}
		for n.counts().Picked < 10 { // they have begun
		}
		n.setEligible(false)
		picks.Wait()
		var total uint64
		for _, a := range admitted {
			total += a
		}
		assert.Equal(t, report.CallStats{Picked: total, InFlight: total}, n.counts())
	}
}
