package turns

import "container/heap"

// Max bounds the number of turns in one plan.
const Max = 65_536

// Count returns the number of turns in the plan for these weights: their sum
// divided by their greatest common divisor. Weights are above 0.
func Count(weights []int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	return sum / max(1, divisor(weights))
}

// divisor returns the greatest common divisor, or 0 without weights.
func divisor(weights []int) int {
	d := 0
	for _, w := range weights {
		for w != 0 {
			d, w = w, d%w
		}
	}
	return d
}

// Plan returns the order of turns as indexes into weights: Count(weights) turns, of
// which each index has exactly its weight's share. Up to any turn, its share is
// less than one turn off. Weights are above 0. There may be any number of weights
// whose Count is at most Max; weights with a greater Count are replaced by coarser
// ones.
func Plan(weights []int) []int {
	weights, count := reduce(weights)
	p := newPlanner(weights, count)
	plan := make([]int, 0, count)
	for turn := 1; turn <= count; turn++ {
		for i := p.first[turn]; i != none; i = p.next[i] {
			heap.Push(p, i)
		}
		i, _ := heap.Pop(p).(int)
		plan = append(plan, i)
		p.done[i]++
		p.announce(i, turn+1)
	}
	return plan
}

// reduce divides the weights by their common divisor, and halves them while they
// make too many turns, but none below 1. It also returns their sum.
func reduce(weights []int) ([]int, int) {
	d := max(1, divisor(weights))
	out := make([]int, len(weights))
	for {
		count := 0
		for i, w := range weights {
			out[i] = max(1, w/d)
			count += out[i]
		}
		if count <= max(Max, len(weights)) {
			return out, count
		}
		d *= 2
	}
}

// planner is a heap of the indexes that may have the next turn, with the most
// urgent one on top. Turns are counted from 1.
//
// The index i with weight w has a claim on w/count of each turn. It may have its
// next turn as soon as its claims are 1/scale ahead of the turns it has had, and
// must have it before they are 1-1/scale ahead. Tijdeman has shown that taking the
// most urgent index first keeps all of them within these bounds.
type planner struct {
	weights []int
	count   int   // the sum of weights
	scale   int   // 2n-2 of n weights
	done    []int // turns had, by index
	due     []int // the last turn by which the claims are in bounds without another, by index
	ready   []int // the heap
	// first and next are linked lists of the indexes that are ready from a turn on:
	// first holds the head by turn, and next the following index by index.
	first, next []int
}

// none ends a list.
const none = -1

func newPlanner(weights []int, count int) *planner {
	n := len(weights)
	p := &planner{
		weights: weights, count: count, scale: max(1, 2*n-2),
		done: make([]int, n), due: make([]int, n), ready: make([]int, 0, n),
		first: make([]int, count+2), next: make([]int, n),
	}
	for turn := range p.first {
		p.first[turn] = none
	}
	for i := range weights {
		p.announce(i, 1)
	}
	return p
}

// announce records when i may and must have its next turn, not before the given
// one.
func (p *planner) announce(i, turn int) {
	done, unit := p.done[i], p.weights[i]*p.scale
	if done == p.weights[i] {
		return
	}
	p.due[i] = p.count * (done*p.scale + p.scale - 1) / unit
	from := (p.count*(done*p.scale+1) + unit - 1) / unit // rounded up
	from = max(from, turn)
	p.next[i], p.first[from] = p.first[from], i
}

// Len implements heap.Interface, as do the methods below.
func (p *planner) Len() int { return len(p.ready) }

func (p *planner) Less(a, b int) bool {
	i, j := p.ready[a], p.ready[b]
	if p.due[i] != p.due[j] {
		return p.due[i] < p.due[j]
	}
	return i < j
}

func (p *planner) Swap(a, b int) { p.ready[a], p.ready[b] = p.ready[b], p.ready[a] }

func (p *planner) Push(x any) {
	i, _ := x.(int)
	p.ready = append(p.ready, i)
}

func (p *planner) Pop() any {
	last := len(p.ready) - 1
	i := p.ready[last]
	p.ready = p.ready[:last]
	return i
}
