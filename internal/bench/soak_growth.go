package main

import (
	"fmt"
	"runtime"
	"runtime/metrics"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// What must not grow during a soak.
const (
	goroutineGrowth = iota
	connectionGrowth
	heapGrowth
	growths
)

// grown holds the name of each, and how much it may increase, in addition to a
// tenth, without counting as growth.
var grown = [growths]struct {
	name  string
	unit  unit
	slack float64
}{
	{"goroutines", count, 30},
	{"connections", count, 3},
	{"live heap", bytes, 2 << 20},
}

const grownShare = 0.1

// sample is one measurement of all of them.
type sample [growths]float64

// warmUp is how many samples are taken before the process is in its usual state.
const warmUp = 5

// samples are taken once each tick.
type samples struct {
	bench interface{ connections() int }
	list  []sample
}

func (s *samples) take() {
	s.list = append(s.list, sample{
		goroutineGrowth: float64(runtime.NumGoroutine()), connectionGrowth: float64(s.bench.connections()), heapGrowth: heapInUse(),
	})
}

// heapInUse returns the bytes that the latest garbage collection has left. Unlike
// liveHeap it forces no collection.
func heapInUse() float64 {
	read := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(read)
	if read[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return float64(read[0].Value.Uint64())
}

// growth is the change of one of them: its median over the first third of a soak
// and over the last.
type growth struct {
	of          int
	first, last float64
}

// growth compares the thirds. In a very short soak there is nothing to compare.
func (s *samples) growth() []growth {
	if len(s.list) < warmUp+3 {
		return nil
	}
	list := s.list[warmUp:]
	third := len(list) / 3
	out := make([]growth, growths)
	for i := range out {
		of := func(part []sample) float64 {
			values := make([]float64, len(part))
			for j := range part {
				values[j] = part[j][i]
			}
			return stats.Summarize(values).Median
		}
		out[i] = growth{of: i, first: of(list[:third]), last: of(list[len(list)-third:])}
	}
	return out
}

// problem returns what is wrong, if anything is.
func (g growth) problem() []string {
	what := grown[g.of]
	if g.last <= g.first*(1+grownShare)+what.slack {
		return nil
	}
	return []string{fmt.Sprintf("%s: grown from %s to %s, in the median of the first third and the last",
		what.name, what.unit.format(g.first), what.unit.format(g.last))}
}

func (g growth) values() []value {
	what := grown[g.of]
	return []value{
		{metric{name: what.name + ", first third", unit: what.unit}, g.first},
		{metric{name: what.name + ", last third", unit: what.unit}, g.last},
	}
}
