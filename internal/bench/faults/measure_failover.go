package faults

import (
	"math"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
)

// followed is what one peer has shown of following the active in one run. Times are
// in seconds.
type followed struct {
	// silent is the longest time without an answer from the fault to the end, that
	// of the replicas' own takeover included.
	silent float64
	// beyond is, of each takeover, from when the new active served to its first
	// answer: infinite if it gave none while it reigned.
	beyond []float64
	// ours tells that the peer says its switches, of which the next four are.
	ours bool
	// switched is, of each takeover, from when the new active served to the
	// client's switch to it, and infinite if it made none.
	switched []float64
	switches int // from marks.begin to the end
	extra    int // of them, those that belong to no takeover
	untold   int // of them, those without a reason
	// passive is how many calls reached a replica that turned them away, second how
	// many reached one that took itself for the active beside the real one.
	passive, second int
}

// onItsWay is how long after a replica has become the active calls may still reach
// the one before: the word has to reach the client, and calls are on their way.
const onItsWay = 50 * time.Millisecond

// followed puts together what a peer has shown.
func (st *stage) followed(a *actor) followed {
	out := followed{
		silent: silence(st.marks, a.result.Calls),
		beyond: beyond(st.reigns, a.result.Calls),
	}
	if out.ours = a.peer.family == ours; out.ours {
		out.judgeSwitches(st.marks, st.reigns, a.result.Switches)
	}
	for _, r := range st.replicas {
		out.passive += r.tally.sum(a.peer.id, st.marks.begin, st.marks.end).Passive
		for _, g := range st.reigns {
			if g.replica != r.name {
				out.second += r.tally.sum(a.peer.id, g.from.Add(onItsWay), g.until(st.marks)).Calls
			}
		}
	}
	return out
}

// until is when the reign ended, or the load did.
func (g reign) until(m marks) time.Time {
	if g.to.IsZero() {
		return m.end
	}
	return g.to
}

// silence gives the longest time without an answer from the fault to the end; it
// may have begun before.
func silence(m marks, calls []call) float64 {
	var answers []time.Time
	for _, c := range calls {
		if at := c.ended(); c.Code == uint32(codes.OK) && at.After(m.begin) && at.Before(m.end) {
			answers = append(answers, at)
		}
	}
	answers = append(answers, m.end)
	slices.SortFunc(answers, time.Time.Compare)
	longest, last := 0.0, m.begin
	for _, at := range answers {
		if at.After(m.fault) {
			longest = max(longest, at.Sub(last).Seconds())
		}
		last = at
	}
	return longest
}

// ended is when the call ended.
func (c call) ended() time.Time { return time.UnixMicro(c.Due + c.Took) }

// beyond gives, of each reign but the first, from when it began to the first answer.
func beyond(reigns []reign, calls []call) []float64 {
	var out []float64
	for _, g := range reigns[min(1, len(reigns)):] {
		first := math.Inf(1)
		for _, c := range calls {
			at := c.ended()
			if c.Server != g.replica || at.Before(g.from) || !g.to.IsZero() && at.After(g.to) {
				continue
			}
			first = min(first, at.Sub(g.from).Seconds())
		}
		out = append(out, first)
	}
	return out
}

// judgeSwitches finds the switch that belongs to each reign but the first: the first
// one to its replica while it reigned.
func (f *followed) judgeSwitches(m marks, reigns []reign, switches []switched) {
	explained := make([]bool, len(switches))
	for _, g := range reigns[min(1, len(reigns)):] {
		after := math.Inf(1)
		for i, s := range switches {
			at := time.UnixMicro(s.At)
			// The client's clock reading has no fraction of a microsecond.
			if s.To == g.address && !at.Before(g.from.Truncate(time.Microsecond)) && at.Before(g.until(m)) {
				after, explained[i] = max(0, at.Sub(g.from).Seconds()), true
				break
			}
		}
		f.switched = append(f.switched, after)
	}
	for i, s := range switches {
		at := time.UnixMicro(s.At)
		if at.Before(m.begin) || at.After(m.end) {
			continue
		}
		f.switches++
		if !explained[i] {
			f.extra++
		}
		if s.Reason == "" || s.From == "" {
			f.untold++
		}
	}
}
