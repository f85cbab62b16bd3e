package faults

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A failover from a to b: a is struck a second after begin, b serves a second later,
// and the load ends at ten seconds.
func aFailover() (marks, []reign) {
	begin := time.UnixMicro(1_000_000_000_000)
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	return marks{begin: begin, fault: at(1), end: at(10)}, []reign{
		{replica: "a", address: "a:1", from: at(-5), to: at(1)},
		{replica: "b", address: "b:1", from: at(2)},
	}
}

// answered is a call that a replica answered so many seconds after begin.
func answered(m marks, seconds float64, by string) call {
	return call{Due: m.begin.Add(time.Duration(seconds*1e9)).UnixMicro() - 5000, Took: 5000, Server: by}
}

func TestTheShareBeyondTheTakeoverEndsWithTheFirstAnswerOfTheNewActive(t *testing.T) {
	m, reigns := aFailover()
	calls := []call{answered(m, 0.9, "a"), answered(m, 1.5, "a"), answered(m, 2.6, "b"), answered(m, 2.4, "b"), answered(m, 9.9, "b")}
	require.Len(t, beyond(reigns, calls), 1)
	assert.InDelta(t, 0.4, beyond(reigns, calls)[0], 1e-6)
	assert.InDelta(t, 7.3, silence(m, calls), 1e-6, "from the answer at 2.6 s to that at 9.9 s")
	assert.InDelta(t, 8.5, silence(m, calls[:2]), 1e-6, "to the end")
	calls[1].Code = uint32(codes.Unavailable)
	assert.InDelta(t, 9.1, silence(m, calls[:2]), 1e-6, "a failed call is no answer; from before the fault")

	assert.True(t, math.IsInf(beyond(reigns, calls[:2])[0], 1), "never")
	reigns[1].to = reigns[1].from.Add(300 * time.Millisecond)
	assert.True(t, math.IsInf(beyond(reigns, calls)[0], 1), "an answer after its reign is none")
	assert.Empty(t, beyond(nil, calls))
	assert.Empty(t, beyond(reigns[:1], calls))
}

func TestEachTakeoverExplainsOneSwitch(t *testing.T) {
	m, reigns := aFailover()
	to := func(seconds float64, from, to, reason string) switched {
		return switched{At: m.begin.Add(time.Duration(seconds * 1e9)).UnixMicro(), From: from, To: to, Reason: reason}
	}
	first := to(-3, "", "a:1", "first_choice")
	for what, c := range map[string]struct {
		switches []switched
		want     followed
	}{
		"one":              {[]switched{first, to(2.25, "a:1", "b:1", "connection_lost")}, followed{switched: []float64{0.25}, switches: 1}},
		"none":             {[]switched{first}, followed{switched: []float64{math.Inf(1)}}},
		"without a reason": {[]switched{to(2.25, "a:1", "b:1", "")}, followed{switched: []float64{0.25}, switches: 1, untold: 1}},
		"too many": {
			[]switched{to(2.5, "a:1", "b:1", "x"), to(3, "b:1", "a:1", "x"), to(4, "a:1", "b:1", "x")},
			followed{switched: []float64{0.5}, switches: 3, extra: 2},
		},
		"before it serves": {[]switched{to(1.5, "a:1", "b:1", "x")}, followed{switched: []float64{math.Inf(1)}, switches: 1, extra: 1}},
	} {
		var got followed
		got.judgeSwitches(m, reigns, c.switches)
		assert.Equal(t, c.want, got, what)
	}
}

// aFailoverReport has runs of a scenario in which the peers showed what is given.
func aFailoverReport(scenarioID string, shown ...map[string]followed) *Report {
	r := &Report{
		options: Options{Suite: Failover, Seed: 42}, machine: "a machine", versions: []string{"go1.x"}, took: time.Minute,
	}
	sc := Failover.byID(scenarioID)
	m, reigns := aFailover()
	for _, peers := range shown {
		one := &run{scenario: sc, plan: sc.full, victim: "s1", busy: 0.5, ours: 0.4, marks: m, peers: map[string]measured{}}
		for id, f := range peers {
			one.peers[id] = measured{calls: 900, p50: 0.005, p99: 1, failures: make([]int, len(reigns)*20), followed: f}
		}
		r.runs = append(r.runs, one)
	}
	return r
}

func TestAClaimAboutFailoverHoldsOnlyIfTheWorstTakeoverSaysSo(t *testing.T) {
	follows := func(seconds float64) map[string]followed {
		return map[string]followed{idActive: {ours: true, beyond: []float64{0.1, seconds}, switched: []float64{0.1, seconds}, switches: 2}}
	}
	good := aFailoverReport(idKills, follows(0.2), follows(0.3))
	c := verdict(t, good, "beyond the takeover, at most 0.3 s")
	assert.True(t, c.holds)
	assert.Equal(t, "0.15 (0.30) s", c.shown)
	assert.Equal(t, "4 switches, 4 takeovers", verdict(t, good, "one switch for each takeover").shown)
	assert.True(t, verdict(t, good, "one switch for each takeover of the replicas").holds)
	assert.True(t, verdict(t, good, "0 failed, with a deadline of 60 s").holds)

	bad := aFailoverReport(idKills, follows(0.2), follows(0.31))
	m := bad.runs[0].peers[idActive]
	m.failed, m.followed.extra, m.followed.switches = 1, 1, 3
	bad.runs[0].peers[idActive] = m
	for _, claim := range []string{"beyond the takeover", "one switch for each takeover", "0 failed"} {
		assert.False(t, verdict(t, bad, claim).holds, claim)
	}
	never := aFailoverReport(idStopActive, follows(math.Inf(1)))
	c = verdict(t, never, "beyond the takeover, at most 1.3 s")
	assert.False(t, c.holds)
	assert.True(t, c.single)
}

func TestAStrayCallOrASwitchTooManyBreaksAClaim(t *testing.T) {
	f := followed{ours: true, beyond: []float64{0.1}, switched: []float64{0.01}, switches: 1}
	r := aFailoverReport(idFlapActive, map[string]followed{idActive: f})
	assert.True(t, verdict(t, r, "no call at a passive replica").holds)
	assert.True(t, verdict(t, r, "at most 1 switch, the bound").holds)
	for _, change := range []func(*followed){
		func(f *followed) { f.passive = 1 }, func(f *followed) { f.second = 1 },
	} {
		stray := f
		change(&stray)
		assert.False(t, verdict(t, aFailoverReport(idFlapActive, map[string]followed{idActive: stray}), "no call at a passive").holds)
	}
	stopped := followed{ours: true, second: 1}
	_, claimed := aFailoverReport(idStopActive, map[string]followed{idActive: stopped}).noStray(idActive)
	assert.False(t, claimed, "what a hung replica finds later is no stray call")
	f.switches = 2
	r = aFailoverReport(idFlapActive, map[string]followed{idActive: f})
	assert.False(t, verdict(t, r, "at most 1 switch, the bound").holds)

	f.switched = []float64{0.051}
	r = aFailoverReport(idHandOver, map[string]followed{idActive: f})
	c := verdict(t, r, "switch at most 50 ms after the push")
	assert.False(t, c.holds)
	assert.Equal(t, "51.0 ms", c.shown)
}

func TestTheFailoverDocumentIsItsOwn(t *testing.T) {
	f := followed{ours: true, silent: 1.2, beyond: []float64{0.1}, switched: []float64{0.09}, switches: 1}
	lost := followed{silent: 9, beyond: []float64{math.Inf(1)}, passive: 7}
	r := aFailoverReport(idKillActive, map[string]followed{idActive: f, idSingle: lost}, map[string]followed{idActive: f, idSingle: lost})
	r.skipped = []string{"peer haproxy: not here"}
	folder := t.TempDir()
	require.NoError(t, r.WriteDocs(folder))
	text, err := os.ReadFile(filepath.Join(folder, "failover.md"))
	require.NoError(t, err)
	for _, want := range []string{
		"# Failover\n", "bench failover -write docs", "](failover.svg)", "2 runs, median (worst)", "2 replicas, whose takeover takes 1 s",
		"never (never)", "90.0 (90.0)", "Skipped: peer haproxy: not here.", "15 s to 60 s",
	} {
		assert.Contains(t, string(text), want)
	}
	assert.NotContains(t, string(text), "round_robin")
	svg, err := os.ReadFile(filepath.Join(folder, "failover.svg"))
	require.NoError(t, err)
	wellFormed(t, string(svg))

	perMetric := map[string]int{}
	for _, v := range r.Values() {
		perMetric[v.Metric]++
		assert.Equal(t, failoverCount, v.Servers)
	}
	assert.Equal(t, 2, perMetric["beyond the takeover, worst"], "what is infinite is no number")
	assert.Equal(t, 4, perMetric["takeovers without an answer"])
	assert.Equal(t, 2, perMetric["switches"], "of ours")
}

func TestTheFailoverSuiteRunsInItsTime(t *testing.T) {
	const around = 4 * time.Second // to start and end the processes
	tasks := Options{Suite: Failover, Seed: 1}.schedule()
	for _, id := range []string{idPlanned, idPlannedAnswers, idHandOver, idKillActive, idStopActive} {
		assert.Equal(t, 5, count(ids(tasks), id), id)
	}
	for _, sc := range Failover.scenarios() {
		assert.Positive(t, count(ids(tasks), sc.id), "%s is run", sc.id)
		assert.NotEmpty(t, sc.standby, sc.id)
		for _, id := range sc.peers {
			_, ok := peerByID(id)
			assert.True(t, ok, "%s: peer %s", sc.id, id)
		}
	}
	assert.Less(t, expected(tasks)+time.Duration(len(tasks))*around, 12*time.Minute)
	short := Options{Suite: Failover, Seed: 1, Short: true}.schedule()
	assert.Less(t, expected(short)+time.Duration(len(short))*around, 90*time.Second)
	assert.Equal(t, 1, count(ids(short), idFlapActive))
}

func TestAReplicaIsPassiveUntilItLeadsAndAgainWhenItStandsBy(t *testing.T) {
	for _, how := range []standby{standbyRefuses, standbyAnswers} {
		s := serveAs(t, serverConfig{Name: "s1", Standby: how})
		conn := s.dial()
		call := func(wait bool) error {
			return conn.Invoke(t.Context(), methodRead, new(emptypb.Empty), new(wrapperspb.StringValue), grpc.WaitForReady(wait))
		}
		passive := func() {
			err := call(false)
			require.Equal(t, codes.Unavailable, status.Code(err), "%s: %v", how, err)
			answers := strings.Contains(err.Error(), "NODE_IS_PASSIVE_REPLICA")
			assert.Equal(t, how == standbyAnswers, answers, "%s: %v", how, err)
		}
		passive()
		s.tell(order{Op: opLead})
		conn.ResetConnectBackoff()
		require.NoError(t, call(true), how)
		s.tell(order{Op: opStandBy})
		passive()
		s.tell(order{Op: opLead})
		conn.ResetConnectBackoff()
		require.NoError(t, call(true), how)
	}
}

func TestOursFollowsAReplicaThatIsKilledAndSaysWhy(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	t.Setenv("TMPDIR", t.TempDir())
	sc := Failover.byID(idKillActive)
	sc.peers, sc.deadline, sc.rate, sc.takeover = []string{idActive, idSingle}, 20*time.Second, 50, 200*time.Millisecond
	p := plan{runs: 1, hold: time.Second, after: 500 * time.Millisecond, warmUp: 200 * time.Millisecond, lead: bucket}
	r := &Report{options: Options{Suite: Failover}}
	made, err := perform(t.Context(), sc, p, rng(), r.available(sc.peers))
	require.NoError(t, err)
	ours := made.peers[idActive]
	assert.Positive(t, ours.calls)
	assert.Zero(t, ours.failed)
	require.Len(t, ours.followed.switched, 1)
	assert.False(t, math.IsInf(ours.followed.switched[0], 1), "it has switched")
	assert.Equal(t, 1, ours.followed.switches)
	assert.Zero(t, ours.followed.extra+ours.followed.untold)
	assert.False(t, math.IsInf(ours.followed.beyond[0], 1))
	assert.Zero(t, ours.followed.passive+ours.followed.second)
	assert.Positive(t, made.peers[idSingle].failed, "nobody listens at its address any more")
	noTemporaryFolders(t)
}
