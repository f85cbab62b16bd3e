package guard

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTellWaitsBrieflyForCodeOfTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left Left
		assert.True(t, Tell(&left, "the observer", func() { time.Sleep(tellTick * (tellTicks - 1)) }))
		assert.False(t, Tell(&left, "the observer", func() { panic("no") }))
		calls := make(chan struct{}, 2*mostTellings)
		start := time.Now()
		for range mostTellings + 5 {
			assert.False(t, Tell(&left, "the observer", func() { calls <- struct{}{}; time.Sleep(time.Hour) }))
		}
		took := time.Since(start)
		assert.GreaterOrEqual(t, took, mostTellings*(tellTicks-1)*tellTick)
		assert.LessOrEqual(t, took, mostTellings*tellTicks*tellTick)
		assert.Len(t, calls, mostTellings)
		assert.Equal(t, "the observer (16 times)", left.String())
		time.Sleep(2 * time.Hour)
		assert.True(t, Tell(&left, "the observer", func() {}))
		assert.Empty(t, left.String())
	})
}

// BenchmarkTell is what each call costs twice if its attempts are observed.
func BenchmarkTell(b *testing.B) {
	var left Left
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			Tell(&left, "the observer", func() {})
		}
	})
}
