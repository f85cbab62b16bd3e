package endpointset

import (
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/pick"
)

// local returns 1 if the endpoint is in the client's zone, and 0 if not.
func (e *endpoint) local() int {
	if zone := e.set.cfg.Zone; zone != "" && e.zone == zone {
		return 1
	}
	return 0
}

// staysLocal reports whether calls stay in the client's zone. The list has of endpoints
// of the zone, and eligible of them are eligible.
func staysLocal(eligible, of int, spillBelow float64) bool {
	return eligible > 0 && float64(eligible) >= spillBelow*float64(of)
}

// nearby returns the eligible connections that calls go to, and those in other zones
// that are kept in reserve. There is no reserve if too few endpoints of the zone are
// eligible or the client has no zone.
func (p *publisher) nearby() (_ pick.Row, spare []*pick.Conn) {
	s := p.set
	local := p.local
	if s.counts[judge.Eligible] == 0 { // those that are leaving carry the calls
		local = 0
		for _, e := range s.handover.old {
			local += e.local()
		}
	}
	if local == 0 {
		p.spill(false)
		return s.eligible.Row(), nil
	}
	var nearby []*pick.Conn
	for c := range s.eligible.All() {
		if connOf(c).endpoint.zone == s.cfg.Zone {
			nearby = append(nearby, c)
		} else {
			spare = append(spare, c)
		}
	}
	stays := staysLocal(len(nearby), local, s.cfg.SpillBelow)
	p.spill(!stays)
	if stays {
		return pick.RowOf(nearby), spare
	}
	return s.eligible.Row(), nil
}

// spill notes whether calls leave the zone, and logs each change once.
func (p *publisher) spill(spilled bool) {
	s := p.set
	if p.spilled == spilled {
		return
	}
	p.spilled = spilled
	if spilled {
		s.teller.Logf("calls leave zone %q: less than %g of its endpoints are eligible", s.cfg.Zone, s.cfg.SpillBelow)
	} else {
		s.teller.Logf("calls stay in zone %q again", s.cfg.Zone)
	}
}

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
