package faults

import (
	"math"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
)

// bucket is the resolution in time of the failures in the plot.
const bucket = 250 * time.Millisecond

// settleFor is how long after the fault the count of a half-dead server's share
// begins.
const settleFor = 2 * time.Second

// measured holds the measurements of one peer in one run. Times are in seconds.
type measured struct {
	// calls and failed count the calls that were in flight at the fault or due from
	// then to the end. before is how many had failed before the fault, which should
	// be none.
	calls, failed, before int
	// lastFailed is the time from the fault to when the last failing call was due; 0
	// if none was due after the fault.
	lastFailed float64
	// back is the time from the healing of a server to when the first call that it
	// answered was due, the longest of all healed servers. It is infinite if one did
	// not return, and NaN if none was healed.
	back float64
	// p50, p99 and p999 are percentiles of the times from when a call was due to its
	// end, however it ended.
	p50, p99, p999 float64
	// share is the part of the calls that arrived at the disturbed server, from
	// settleFor after the fault until it was healed; NaN if none was healed.
	share float64
	// extra is how many more calls arrived at all servers than were due, from the fault
	// to the end, as a share.
	extra float64
	// probes is how many health requests per second arrived at all servers.
	probes float64
	// clientCPU and proxyCPU are in processors: 1 is one processor in full use.
	clientCPU, proxyCPU float64
	// failures counts the failed calls by when they were due, in buckets from
	// marks.begin on.
	failures []int
	// followed holds the measurements for replicas of which one is active.
	followed followed
}

// judgeCalls returns the measurements from the calls of one peer.
func judgeCalls(m marks, calls []call) measured {
	out := measured{failures: make([]int, int(m.end.Sub(m.begin)/bucket)+1)}
	var took []float64
	for _, c := range calls {
		due := time.UnixMicro(c.Due)
		if due.Before(m.begin) || due.After(m.end) {
			continue
		}
		failed := c.Code != uint32(codes.OK)
		if failed {
			out.failures[int(due.Sub(m.begin)/bucket)]++
		}
		if due.Add(time.Duration(c.Took) * time.Microsecond).Before(m.fault) {
			if failed {
				out.before++
			}
			continue
		}
		out.calls++
		took = append(took, float64(c.Took)/1e6)
		if failed {
			out.failed++
			out.lastFailed = max(out.lastFailed, due.Sub(m.fault).Seconds())
		}
	}
	out.p50, out.p99, out.p999 = stats.Percentile(took, 50), stats.Percentile(took, 99), stats.Percentile(took, 99.9)
	out.back = backAfter(m.heals, calls)
	return out
}

// backAfter returns how long the healed servers took to be in rotation again.
func backAfter(heals []heal, calls []call) float64 {
	longest := math.NaN()
	for _, h := range heals {
		first := math.Inf(1)
		for _, c := range calls {
			if since := time.UnixMicro(c.Due).Sub(h.at).Seconds(); c.Server == h.server && since >= 0 {
				first = min(first, since)
			}
		}
		if math.IsNaN(longest) || first > longest {
			longest = first
		}
	}
	return longest
}

// outcome returns the results of the run.
func (st *stage) outcome(busy float64) *run {
	out := &run{
		scenario: st.scenario, plan: st.plan, victim: st.victim.name,
		busy: busy, marks: st.marks, peers: make(map[string]measured),
	}
	for _, a := range st.actors {
		m := judgeCalls(st.marks, a.result.Calls)
		m.share, m.extra = st.share(a.peer.id), st.extra(a, m.calls)
		probes := 0
		for _, r := range st.replicas {
			probes += r.tally.sum(a.peer.id, st.marks.begin, st.marks.end).Probes
		}
		if st.scenario.standby != "" {
			m.followed = st.followed(a)
		}
		m.probes = float64(probes) / st.marks.end.Sub(st.marks.begin).Seconds()
		load := st.marks.end.Sub(st.marks.begin.Add(-st.plan.warmUp)).Seconds()
		m.clientCPU = a.result.CPU.Seconds() / load
		if a.proxy != nil {
			m.proxyCPU = a.proxy.used.Seconds() / load
		}
		out.peers[a.peer.id] = m
	}
	return out
}

// share returns the part of a peer's calls that arrived at the victim.
func (st *stage) share(peer string) float64 {
	if len(st.marks.heals) == 0 {
		return math.NaN()
	}
	from, to := st.marks.fault.Add(settleFor), st.marks.last()
	all, victim := 0, 0
	for _, r := range st.replicas {
		n := r.tally.sum(peer, from, to).Calls
		all += n
		if r == st.victim {
			victim += n
		}
	}
	if all == 0 {
		return math.NaN()
	}
	return float64(victim) / float64(all)
}

// extra returns how many more calls of a peer arrived than were due, as a share. Calls
// that were retried, hedged or redispatched arrive more than once.
func (st *stage) extra(a *actor, due int) float64 {
	arrived := 0
	for _, r := range st.replicas {
		arrived += r.tally.sum(a.peer.id, st.marks.fault, st.marks.end).Calls
	}
	return float64(arrived)/float64(max(due, 1)) - 1
}

// meter measures how busy the machine is, with everything that runs on it.
type meter struct{ all, idle float64 }

func startBusy() meter {
	all, idle := machineTime()
	return meter{all, idle}
}

// share returns the part of the machine's processor time that was used since the
// start, 0 to 1; NaN if it is unknown.
func (m meter) share() float64 {
	all, idle := machineTime()
	if all <= m.all {
		return math.NaN()
	}
	return 1 - (idle-m.idle)/(all-m.all)
}
