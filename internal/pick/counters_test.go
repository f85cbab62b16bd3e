package pick

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/report"
)

func TestAPickIsCountedAndTellsWhetherTheConnectionIsEligible(t *testing.T) {
	var n counters
	assert.False(t, n.Eligible(), "nobody is to begin with")
	assert.False(t, n.Step())
	n.StepBack()
	assert.Equal(t, report.CallStats{}, n.Counts())

	n.SetEligible(true)
	n.SetEligible(true)
	assert.True(t, n.Eligible())
	assert.True(t, n.Step())
	n.SetEligible(false)
	assert.False(t, n.Step(), "one that is given to it all the same, because nobody is eligible, or on trial")
	assert.Equal(t, report.CallStats{Picked: 2, InFlight: 2}, n.Counts(), "the calls of before stay counted")
	n.heard.Add(1)
	assert.Equal(t, report.CallStats{Picked: 2, InFlight: 1, Heard: 1}, n.Counts())
}

// Whoever finds no call in flight on a connection that is not eligible any more
// will find none later: a call is counted when it is let in, not after.
func TestNoCallSlipsInOnceTheConnectionIsNotEligible(t *testing.T) {
	for range 200 {
		var n counters
		n.SetEligible(true)
		var picks sync.WaitGroup
		admitted := make([]uint64, 4)
		for i := range admitted {
			picks.Go(func() {
				for n.Step() {
					admitted[i]++
				}
				n.StepBack()
			})
		}
		for n.Counts().Picked < 10 { // they have begun
		}
		n.SetEligible(false)
		picks.Wait()
		var total uint64
		for _, a := range admitted {
			total += a
		}
		assert.Equal(t, report.CallStats{Picked: total, InFlight: total}, n.Counts())
	}
}
