package faults

import (
	"math"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
)

// followed holds one peer's measurements of following the active replica in one
// run. Times are in seconds.
type followed struct {
	// silent is the longest time without an answer from the fault to the end,
	// including the replicas' own takeover.
	silent float64
	// beyond is, for each takeover, the time from when the new active replica served
	// to its first answer. It is infinite if it did not answer while it was active.
	beyond []float64
	// ours says that the peer reports its switches; the next four fields are about
	// them.
	ours bool
	// switched is, for each takeover, the time from when the new active replica
	// served to the client's switch to it. It is infinite if there was none.
	switched []float64
	switches int // from marks.begin to the end
	extra    int // of them, those that belong to no takeover
	untold   int // of them, those without a reason
	// passive is how many calls reached a replica that rejected them as passive, and
	// second how many reached one that took itself for active besides the real one.
	passive, second int
}

// onItsWay is how long after a replica has become active calls may still reach the
// previous one: the client must learn of the change, and calls are in transit.
const onItsWay = 50 * time.Millisecond

// followed returns the measurements of a peer.
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

// until returns when the reign ended, or when the load did.
func (g reign) until(m marks) time.Time {
	if g.to.IsZero() {
		return m.end
	}
	return g.to
}

// silence returns the longest time without an answer from the fault to the end. It
// may have begun before the fault.
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

// ended returns when the call ended.
func (c call) ended() time.Time { return time.UnixMicro(c.Due + c.Took) }

// beyond returns, for each reign except the first, the time from its beginning to the
// first answer.
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

// judgeSwitches finds the switch that belongs to each reign except the first: the
// first switch to its replica during the reign.
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
