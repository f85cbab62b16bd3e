package scope_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/internal/scope"
)

// under runs f with the lock of s held.
func under(s *scope.Scope, f func()) {
	s.Lock()
	defer s.Unlock()
	f()
}

func TestWhatWaitsForTheLockRunsOnceItIsReleased(t *testing.T) {
	s := scope.New()
	defer under(s, s.Close)
	var order []string
	s.Lock()
	s.After(func() {
		s.Lock() // would hang if the lock were held
		defer s.Unlock()
		order = append(order, "after")
	})
	order = append(order, "under")
	s.Unlock()
	under(s, func() {})
	assert.Equal(t, []string{"under", "after"}, order, "once, and later")
}

func TestCallsRunInOrderWithoutTheLock(t *testing.T) {
	s := scope.New()
	defer under(s, s.Close)
	var order []int
	under(s, func() {
		for i := range 3 {
			assert.True(t, s.Do(func() { under(s, func() { order = append(order, i) }) }))
		}
	})
	s.Settle()
	under(s, func() { assert.Equal(t, []int{0, 1, 2}, order) })
	s.EndCalls()
	assert.False(t, s.Do(func() {}))
}

func TestATimerRunsUnlessItWasStoppedOrArmedAgainOrTheScopeIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(s *scope.Scope, timer *scope.Timer, f func())
		armed     bool
		runs      int
	}{
		"nothing":     {func(*scope.Scope, *scope.Timer, func()) {}, true, 1},
		"stopped":     {func(_ *scope.Scope, timer *scope.Timer, _ func()) { timer.Stop(); timer.Stop() }, false, 0},
		"armed again": {func(s *scope.Scope, timer *scope.Timer, f func()) { timer.Arm(s, 2*time.Second, f) }, true, 1},
		"closed":      {func(s *scope.Scope, _ *scope.Timer, _ func()) { s.Close() }, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := scope.New()
				var timer scope.Timer
				runs := 0
				f := func() { runs++ }
				under(s, func() {
					assert.False(t, timer.Armed())
					timer.Arm(s, time.Second, f)
					assert.True(t, timer.Armed())
				})
				// The timer has fired and waits for the lock: it is too late to stop it.
				s.Lock()
				time.Sleep(time.Second)
				c.meanwhile(s, &timer, f)
				s.Unlock()
				time.Sleep(3 * time.Second)
				synctest.Wait()
				under(s, func() {
					assert.Equal(t, c.runs, runs)
					assert.Equal(t, c.armed, timer.Armed())
					s.Close()
				})
			})
		})
	}
}

func TestWaitEndsWithTheGoroutinesOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scope.New()
		var end func()
		under(s, func() {
			s.Go(func() { <-s.Context().Done() })
			end = s.Begin()
			assert.False(t, s.Closed())
			s.Close()
			assert.True(t, s.Closed())
		})
		before := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Wait(ctx)
		assert.Equal(t, time.Second, time.Since(before), "one goroutine has not ended")
		end()
		s.Wait(t.Context())
		assert.Equal(t, time.Second, time.Since(before))
	})
}
