package faults

import "slices"

// Suite is a set of scenarios with a report of its own.
type Suite string

const (
	// Faults has servers of which each can answer. An empty Suite means Faults.
	Faults Suite = "faults"
	// Failover has replicas of which one at a time is active.
	Failover Suite = "failover"
	// Slow has servers that are slow at times.
	Slow Suite = "slow"
)

// scenarios returns the suite's scenarios, in the order of the report.
func (s Suite) scenarios() []*scenario {
	switch s {
	case Failover:
		return failoverScenarios()
	case Slow:
		return slowScenarios()
	default:
		return scenarios()
	}
}

func (s Suite) byID(id string) *scenario {
	list := s.scenarios()
	i := slices.IndexFunc(list, func(sc *scenario) bool { return sc.id == id })
	if i < 0 {
		return nil
	}
	return list[i]
}

func (s Suite) scenarioIDs() []string {
	var ids []string
	for _, sc := range s.scenarios() {
		ids = append(ids, sc.id)
	}
	return ids
}

// peers returns the suite's peers, in the order of the tables.
func (s Suite) peers() []peer {
	switch s {
	case Failover:
		return followers()
	case Slow:
		return weighing()
	default:
		return spreading
	}
}

// proxies returns the kinds of proxies among its peers.
func (s Suite) proxies() []family {
	var out []family
	for _, p := range s.peers() {
		if p.proxy != "" && !slices.Contains(out, p.family) {
			out = append(out, p.family)
		}
	}
	return out
}

// name returns the suite's name, for the command line and its document.
func (s Suite) name() string {
	if s == "" {
		return string(Faults)
	}
	return string(s)
}
