package quorum

import "time"

// Status is a snapshot of Members. The caller may keep it.
type Status struct {
	Members []MemberStatus
	// Lost reports that the last read or stream found no agreement.
	Lost bool
	// Refused is why the newest list of members is not in effect; empty if it is.
	Refused string
	Totals  Totals
}

// Totals holds the counts of the reads.
type Totals struct {
	// Reads counts the reads that have ended: Agreed with an agreement, NoQuorum
	// without.
	Reads, Agreed, NoQuorum uint64
	// Asked counts the requests of the reads.
	Asked uint64
}

// MemberStatus is a snapshot of one member.
type MemberStatus struct {
	Name string
	// Dissenting reports that the member contradicted others, since Since, until Until
	// (zero: until it is cleared). Excluded reports that streams do not use it.
	Dissenting, Excluded bool
	Reason               Reason
	Detail               string
	Since, Until         time.Time
	// Failing reports that the member failed or was slow recently, and is asked after
	// the others.
	Failing bool
	// LastError is the error of its last failure since it last answered; empty if there
	// is none.
	LastError string
	// Latency is its usual latency; 0 if it has never answered.
	Latency time.Duration
	Counts  Counts
}

// Counts holds the counts of a member's answers in reads.
type Counts struct {
	// Asked counts the requests; Agreed, Dissented and Failed count their results. A
	// request that was called off because others had decided the read is in none of
	// those.
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
