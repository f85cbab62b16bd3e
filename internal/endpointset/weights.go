package endpointset

import "github.com/cantonlb/cantonlb/internal/pick"

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
func (s *Set) weightsLocked(conns pick.Row) []int {
	if !s.uneven {
		return nil
	}
	weights := make([]int, conns.Len())
	for i := range weights {
		weights[i] = connOf(conns.At(i)).endpoint.weight
	}
	return weights
}
