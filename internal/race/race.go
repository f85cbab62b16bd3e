// Package race runs the race of a name's addresses for what is no SubConn: connections
// of the dialer, and pages that are got by HTTP.
//
// # Why
//
// The rules are those of machine.Race, a pure state machine. Package endpointset carries
// them out with SubConns. Everything else that has several addresses needs goroutines, a
// timer, and somebody who waits for the losers. That is here, once.
package race

import (
	"context"
	"time"

	"github.com/cantonlb/cantonlb/internal/machine"
)

// Race is a race of attempts that each have a result of type T.
type Race[T any] struct {
	// Addresses is the number of addresses that are known at the start, at least 1.
	Addresses int
	// Found receives the number of addresses when it has become known. Nil: never.
	Found <-chan int
	// Try makes the attempt at the i-th address, and reports whether it has succeeded.
	// It must return when its context ends.
	Try func(ctx context.Context, i int) (result T, ok bool)
	// Lose is called with each result that is not returned. Nil: nothing is.
	Lose func(result T)
}

type outcome[T any] struct {
	result T
	ok     bool
}

// Run returns the result of the first attempt that succeeds, or that of the last one
// that fails, when all attempts have ended. It calls off the others.
func (r Race[T]) Run(ctx context.Context) (result T, ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	outcomes := make(chan outcome[T])
	running := 0
	lose := func(o outcome[T]) {
		if r.Lose != nil {
			r.Lose(o.result)
		}
	}
	defer func() {
		cancel()
		for range running {
			lose(<-outcomes)
		}
	}()
	delay := time.NewTimer(machine.RaceDelay)
	defer delay.Stop()
	var state machine.Race
	step := func(e machine.RaceEvent, addresses int) (lost bool) {
		var effects machine.RaceEffects
		state, effects = state.Next(e, addresses)
		if effects.Start {
			running++
			i := state.Started - 1
			go func() {
				result, ok := r.Try(ctx, i)
				outcomes <- outcome[T]{result, ok}
			}()
		}
		if effects.Arm {
			delay.Reset(machine.RaceDelay)
		}
		return effects.Lost
	}
	step(machine.RaceBegin, r.Addresses)
	for {
		select {
		case <-delay.C:
			step(machine.RaceDelayed, 0)
		case n := <-r.Found:
			step(machine.RaceFound, n)
		case o := <-outcomes:
			running--
			select {
			case n := <-r.Found: // it came before the end of the attempt that found it
				step(machine.RaceFound, n)
			default:
			}
			if o.ok || step(machine.RaceFailed, 0) {
				return o.result, o.ok
			}
			lose(o)
		}
	}
}
