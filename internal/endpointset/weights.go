package endpointset

import "github.com/cantonlb/cantonlb/internal/turns"

// surveyLocked finds out, once for each list, whether weights and zones matter
// in it at all: with equal weights and no zones a snapshot is a copy.
func (s *Set) surveyLocked() {
	s.uneven, s.local = false, 0
	for _, e := range s.list {
		s.uneven = s.uneven || e.weight != s.list[0].weight
		if s.cfg.Zone != "" && e.zone == s.cfg.Zone {
			s.local++
		}
	}
	for _, e := range s.leaving {
		s.uneven = s.uneven || len(s.list) > 0 && e.weight != s.list[0].weight
	}
}

// weightsLocked gives the weights of connections, nil if all are equal.
func (s *Set) weightsLocked(conns row) []int {
	if !s.uneven {
		return nil
	}
	weights := make([]int, conns.n)
	for i := range weights {
		weights[i] = conns.at(i).endpoint.weight
	}
	return weights
}

// plan puts the connections into the order in which they are picked, each as
// often as its weight asks for. It is done without Set.mu, since it may take
// milliseconds where there are many and their weights differ much.
func (p *picker) plan() {
	if p.weights == nil {
		return
	}
	order := turns.Plan(p.weights)
	conns := make([]*conn, len(order))
	for i, j := range order {
		conns[i] = p.conns.at(j)
	}
	p.conns, p.weights = rowOf(conns), nil
}
