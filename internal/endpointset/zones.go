package endpointset

import "github.com/cantonlb/cantonlb/internal/pick"

// staysLocal tells whether calls stay in the client's zone, of whose endpoints
// so many are in the list and so many eligible.
func staysLocal(eligible, of int, spillBelow float64) bool {
	return eligible > 0 && float64(eligible) >= spillBelow*float64(of)
}

// nearby gives the eligible connections that calls go to, and those in
// other zones that are kept in reserve: none if there are too few in the zone or
// the client has none.
func (p *publisher) nearby() (_ pick.Row, spare []*pick.Conn) {
	s := p.set
	if p.local == 0 {
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
	stays := staysLocal(len(nearby), p.local, s.cfg.SpillBelow)
	p.spill(!stays)
	if stays {
		return pick.RowOf(nearby), spare
	}
	return s.eligible.Row(), nil
}

// spill notes, and logs once, that calls leave the zone or stay in it
// again.
func (p *publisher) spill(spilled bool) {
	s := p.set
	if p.spilled == spilled {
		return
	}
	p.spilled = spilled
	if spilled {
		s.teller.Logf("calls leave zone %q: less than %g of its %d endpoints are eligible", s.cfg.Zone, s.cfg.SpillBelow, p.local)
	} else {
		s.teller.Logf("calls stay in zone %q again", s.cfg.Zone)
	}
}
