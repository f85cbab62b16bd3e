package attempt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestRetryBudgetAllowsAShareOfTheCallsAndAFewBesides(t *testing.T) {
	now := time.Unix(1000, 0)
	b := &Budget{share: 0.2, perSecond: 1, began: now}
	for range 100 {
		b.Call(now)
	}
	granted := 0
	for b.Take(now) {
		granted++
	}
	assert.Equal(t, 30, granted, "a fifth of 100 calls, and ten seconds' worth of one")
	assert.False(t, b.Take(now.Add(9*time.Second)))
	assert.True(t, b.Take(now.Add(10*time.Second)), "what is older than the window is forgotten")
}

func TestHedgesLeaveHalfOfTheBudgetToRescues(t *testing.T) {
	now := time.Unix(1000, 0)
	b := &Budget{share: 0.2, perSecond: 1, began: now}
	for range 100 {
		b.Call(now)
	}
	hedged, rescued := 0, 0
	for b.TakeHedge(now) {
		hedged++
	}
	for b.Take(now) {
		rescued++
	}
	assert.Equal(t, 15, hedged)
	assert.Equal(t, 15, rescued)
	assert.False(t, b.TakeHedge(now.Add(9*time.Second)))
	assert.True(t, b.TakeHedge(now.Add(10*time.Second)))
}

func TestRetryBudgetOfNothingAllowsNothing(t *testing.T) {
	b := new(Budget)
	b.Call(time.Unix(1000, 0))
	assert.False(t, b.Take(time.Unix(1000, 0)))
}

func TestRetryBudgetIsNeverOverdrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1000, 0)
		b := &Budget{share: 0.2, perSecond: 2, began: now}
		type event struct {
			at           int64
			retry, hedge bool
		}
		var history []event
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 500).Draw(t, "ms")) * time.Millisecond)
			retry := rapid.Bool().Draw(t, "retry")
			hedge := retry && rapid.Bool().Draw(t, "hedge")
			switch {
			case !retry:
				b.Call(now)
			case hedge:
				if !b.TakeHedge(now) {
					continue
				}
			case !b.Take(now):
				continue
			}
			history = append(history, event{now.Unix(), retry, hedge})
			calls, retries, hedges := 0, 0, 0
			for _, e := range history {
				switch {
				case now.Unix()-e.at >= retryWindow:
				case e.hedge:
					hedges++
					retries++
				case e.retry:
					retries++
				default:
					calls++
				}
			}
			if retry {
				assert.LessOrEqual(t, float64(retries), 0.2*float64(calls)+2*retryWindow)
			}
			if hedge {
				assert.LessOrEqual(t, float64(hedges), (0.2*float64(calls)+2*retryWindow)/2)
			}
		}
	})
}

func TestABudgetHasDefaults(t *testing.T) {
	b := NewBudget(0, 0)
	assert.InDelta(t, 0.2, b.share, 0)
	assert.InDelta(t, 10, b.perSecond, 0)
	b = NewBudget(-1, -1)
	assert.Zero(t, b.share)
	assert.Zero(t, b.perSecond)
}

// A goroutine was stopped for more than the window after it had read the clock.
func TestALateCallForgetsNoRetries(t *testing.T) {
	b := NewBudget(-1, 1)
	now := time.Now()
	for range 10 {
		assert.True(t, b.Take(now.Add(20*time.Second)))
	}
	b.Call(now)
	assert.False(t, b.Take(now.Add(20*time.Second)))
}
