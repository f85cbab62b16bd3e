package quorum

import "time"

// Status is a snapshot of Members. It is a copy.
type Status struct {
	Members []MemberStatus
	// Lost tells that the last read or stream found no agreement.
	Lost bool
	// Refused is why the newest list of members is not in force, empty if it is.
	Refused string
	Totals  Totals
}

// Totals count the reads.
type Totals struct {
	// Reads have ended, of which Agreed with an agreement and NoQuorum without.
	Reads, Agreed, NoQuorum uint64
	// Asked is how many requests they took.
	Asked uint64
}

// MemberStatus is a snapshot of one member.
type MemberStatus struct {
	Name string
	// Dissenting: it contradicted others, since Since, until Until (zero: until it is
	// cleared by hand). Excluded: streams do not use it.
	Dissenting, Excluded bool
	Reason               Reason
	Detail               string
	Since, Until         time.Time
	// Failing: it failed or was slow of late, and is asked after the others.
	Failing bool
	// LastError is the error of its last failure since it answered, empty if none.
	LastError string
	// Latency is its usual one, 0 if it has never answered.
	Latency time.Duration
	Counts  Counts
}

// Counts are the accounts of a member's answers in reads.
type Counts struct {
	// Asked counts the questions; Agreed, Dissented and Failed how they ended. What
	// was called off since others had decided before is in none of them.
	Asked, Agreed, Dissented, Failed uint64
}

// Status returns a snapshot.
func (m *Members) Status() Status {
	m.refresh()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	s := Status{Lost: m.lost, Refused: m.refused, Totals: m.totals}
	for _, r := range m.list {
		x := MemberStatus{
			Name: r.Name, Dissenting: r.dissents(now), Excluded: r.excluded, Reason: r.reason, Detail: r.detail,
			Since: r.since, Failing: now.Before(r.retry), LastError: r.lastError, Latency: r.latency, Counts: r.counts,
		}
		if !r.byHand {
			x.Until = r.until
		}
		s.Members = append(s.Members, x)
	}
	return s
}
