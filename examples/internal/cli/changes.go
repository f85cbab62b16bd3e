package cli

import "github.com/cantonlb/cantonlb"

// Change is the part of an endpoint's status that says whether it may be picked
// and why. It is comparable.
type Change struct {
	Name, State, Reason, Connection string
	Eligible, Drained, Active       bool
}

// Changes returns that part for every endpoint, so that two snapshots can be
// compared by slices.Equal: a status itself differs at every look, as its counts
// and times do.
func Changes(s cantonlb.Status) []Change {
	changes := make([]Change, 0, len(s.Endpoints))
	for _, e := range s.Endpoints {
		changes = append(changes, Change{
			Name: e.Name, State: string(e.State), Reason: string(e.Reason), Connection: e.Connection.String(),
			Eligible: e.Eligible, Drained: e.Drained, Active: e.Active,
		})
	}
	return changes
}
