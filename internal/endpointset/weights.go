package endpointset

import "github.com/cantonlb/cantonlb/internal/pick"

// survey determines, once for each list, whether weights and zones matter in it at
// all: with equal weights and no zones a snapshot is a copy.
func (p *publisher) survey() {
	s := p.set
	p.uneven, p.local = false, 0
	for _, e := range s.list {
		p.uneven = p.uneven || e.weight != s.list[0].weight
		p.local += e.local()
	}
	for _, e := range s.handover.old {
		p.uneven = p.uneven || len(s.list) > 0 && e.weight != s.list[0].weight
	}
}

// weights returns the weights of connections, nil if all are equal.
func (p *publisher) weights(conns pick.Row) []int {
	if !p.uneven {
		return nil
	}
	weights := make([]int, conns.Len())
	for i := range weights {
		weights[i] = connOf(conns.At(i)).endpoint.weight
	}
	return weights
}
