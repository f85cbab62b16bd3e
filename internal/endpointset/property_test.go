package endpointset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// checkAccounts compares what the set has counted with a recount of all that it
// holds.
func checkAccounts(t require.TestingT, s *Set) {
	s.scope.Lock()
	defer s.scope.Unlock()
	var counts [3]int
	warming := 0
	mayServe := make(map[*pick.Conn]bool)
	for _, e := range s.list {
		counts[e.was.Class]++
		require.False(t, e.unlisted)
		require.Same(t, e, s.byName[e.name])
		require.Equal(t, e.drained, s.drained[e.name])
		if e.joins != nil {
			require.Same(t, s.handover.handover, e.joins)
			require.Contains(t, s.handover.joining, e)
			warming++
		}
	}
	require.Equal(t, counts, s.counts)
	require.Len(t, s.handover.joining, warming)
	require.Len(t, s.byName, len(s.list))
	for _, e := range slices.Concat(s.list, s.handover.old) {
		require.Equal(t, judge.Judge(e.facts()), e.was, "%s: the judgement is up to date", e.name)
		require.NotEqual(t, machine.Closed, e.link.Phase())
		require.LessOrEqual(t, e.recorded.Picked, e.countsLocked().Picked, "what the metrics have of %s", e.name)
		require.Equal(t, e.link.Phase() == machine.Ready, e.conn != nil, "%s has a connection exactly if it is connected", e.name)
		tries := e.conn == nil && len(e.link.Conns()) > 0
		require.Equal(t, e.link.Phase() == machine.Connecting, tries, "%s tries to connect exactly if it is connecting", e.name)
		require.Equal(t, e.link.Phase() != machine.Ready, e.link.Timed(), "%s has a timer unless it is connected", e.name)
		if e.conn != nil {
			require.Equal(t, e.was.Class == judge.Eligible && (s.choice == nil || s.choice.active == e), e.conn.Eligible())
			require.Equal(t, s.choice != nil && s.choice.active == e && e.was.Standing == judge.Suspect, e.conn.Doubted())
		}
		if e.was.Class == judge.Eligible {
			mayServe[&e.conn.Conn.Conn] = true
			require.Same(t, &e.conn.Conn.Conn, e.counted)
			require.True(t, s.eligible.Has(e.counted))
		}
	}
	for c := range s.eligible.All() {
		require.True(t, mayServe[c], "%s is in the list of the eligible", connOf(c).endpoint.name)
	}
	require.Equal(t, len(mayServe), s.eligible.Len())
	for name, n := range s.renewing {
		require.Equal(t, []*endpoint{s.byName[name]}, n.joins.old)
		require.True(t, n.joins.timer.Armed())
		require.True(t, n.unlisted)
		require.Equal(t, judge.Undecided, n.was.Class)
		require.NotContains(t, s.list, n)
	}
	if s.choice != nil {
		checkChoice(t, s)
	}
	checkHandover(t, s)
}

// checkHandover sees that the endpoints that are leaving have a reason to be there.
func checkHandover(t require.TestingT, s *Set) {
	h := s.handover
	require.Equal(t, len(h.old) > 0, h.state.Phase != machine.NoHandover)
	require.Equal(t, h.state.Phase == machine.Proving, h.timer.Armed(), "the wait has an end")
	for _, e := range h.old {
		require.True(t, e.unlisted && e.served && !e.drained)
		require.False(t, e.leavingSince.IsZero())
		require.True(t, s.byName[e.name] == nil || e.superseded, "one of them has the events of the name")
	}
	if len(h.old) == 0 {
		return
	}
	require.Less(t, len(s.drained), len(s.list), "the list has something to hand over to")
	if h.state.Phase == machine.Proving {
		require.NotEmpty(t, h.joining, "nobody is waited for any more")
		return
	}
	someone := s.counts[judge.Eligible] > 0
	if s.choice != nil && s.choice.state.Pinned() != "" {
		someone = s.byName[s.choice.state.Pinned()].was.Class == judge.Eligible
	}
	require.False(t, someone, "the list can carry the calls")
}

// checkChoice compares the choice with what it is made of.
func checkChoice(t require.TestingT, s *Set) {
	c := s.choice
	require.Len(t, c.byID, len(s.list)+len(s.handover.old))
	for id, e := range c.byID {
		require.Equal(t, id, e.id)
	}
	active, found := c.state.Active()
	require.Equal(t, found, c.active != nil)
	if found {
		require.Equal(t, active.ID, c.active.id)
		require.Same(t, c.active, c.last)
	}
	someone := slices.ContainsFunc(s.list, func(e *endpoint) bool { return e.was.Class == judge.Eligible })
	if someone && c.state.Pinned() == "" && !c.state.Waiting() {
		require.True(t, s.pickableLocked(), "whoever can serve does")
	}
	require.Equal(t, len(s.list) > 0 && !s.pickableLocked(), c.search.seeking)
}

// checkSnapshot compares the published snapshot with the set, once all is quiet.
func checkSnapshot(t require.TestingT, f *fixture) {
	s := f.set
	s.scope.Lock()
	defer s.scope.Unlock()
	require.True(t, s.pub.Idle())
	state := f.last()
	p, picks := pickerOf(state.Picker)
	r, refuses := state.Picker.(*pick.Refusal)
	require.NotEqual(t, picks, refuses)
	switch connected := s.pub.connected(); {
	case s.choice != nil && s.pickableLocked():
		require.True(t, picks)
		require.False(t, p.Open)
		require.Equal(t, []*conn{s.choice.active.conn}, connsOf(p.Conns()))
		require.Empty(t, p.Trials)
		require.Empty(t, p.Spare)
		require.Equal(t, connectivity.Ready, state.ConnectivityState)
	case s.choice == nil && s.eligible.Len() > 0:
		require.True(t, picks)
		require.False(t, p.Open)
		checkTurns(t, s, p)
		require.Equal(t, connectivity.Ready, state.ConnectivityState)
	case len(s.list) == 0:
		require.True(t, refuses)
		require.Equal(t, s.problem != nil, state.ConnectivityState == connectivity.TransientFailure)
	case s.expectsLocked():
		require.True(t, refuses && r.Wait)
		require.Equal(t, connectivity.Connecting, state.ConnectivityState)
	case s.cfg.NoneEligible == settings.FailOpen && len(connected) > 0:
		require.True(t, picks && p.Open)
		require.ElementsMatch(t, connected, checkWeights(t, p))
		require.True(t, s.choice == nil || len(p.Conns()) == 1)
	default:
		require.True(t, refuses)
		require.Equal(t, s.cfg.NoneEligible == settings.Wait, r.Wait)
		require.Equal(t, connectivity.TransientFailure, state.ConnectivityState)
	}
}

// checkWeights sees that a snapshot has every connection as often as its weight
// asks for, and gives each once.
func checkWeights(t require.TestingT, p *pick.Picker) []*conn {
	often := make(map[*conn]int)
	for _, c := range connsOf(p.Conns()) {
		often[c]++
	}
	for c, n := range often {
		for d, m := range often {
			require.Equal(t, n*d.endpoint.weight, m*c.endpoint.weight, "turns of %s and %s", c.endpoint.name, d.endpoint.name)
		}
	}
	return slices.Collect(maps.Keys(often))
}

// checkTurns sees that a snapshot has every eligible connection, and that it
// leaves the client's zone only if it must.
func checkTurns(t require.TestingT, s *Set, p *pick.Picker) {
	conns := checkWeights(t, p)
	require.ElementsMatch(t, connsOf(slices.Collect(s.eligible.All())), slices.Concat(conns, connsOf(p.Spare)))
	local, elsewhere := 0, 0
	for _, c := range conns {
		if c.endpoint.zone == s.cfg.Zone {
			local++
		} else {
			elsewhere++
		}
	}
	of := s.pub.local
	if s.counts[judge.Eligible] == 0 {
		of = 0
		for _, e := range s.handover.old {
			of += e.local()
		}
	}
	if of > 0 {
		stays := staysLocal(local, of, s.cfg.SpillBelow)
		require.Zero(t, map[bool]int{true: elsewhere, false: len(connsOf(p.Spare))}[stays])
		require.Equal(t, !stays, s.pub.spilled)
	} else {
		require.Empty(t, p.Spare)
	}
}

// checkEvents sees that the events of each endpoint are a chain, without one that
// says nothing new.
func checkEvents(t require.TestingT, s *Set) {
	last := make(map[string]report.Event)
	for _, e := range s.teller.Events() {
		if e.Kind != report.EventEndpoint {
			continue
		}
		was := last[e.Endpoint]
		if e.From != "" { // else it is another one of the same name
			require.Equal(t, was.To, e.From, "%v follows %v", e, was)
		}
		if e.From == e.To {
			require.Equal(t, report.StateUnreachable, e.To, "%v", e)
			require.NotEqual(t, was.Reason, e.Reason, "%v follows %v", e, was)
		}
		last[e.Endpoint] = e
	}
}

// checkSubConns sees that every SubConn that connects or is connected does so for an
// endpoint.
func checkSubConns(t require.TestingT, f *fixture) {
	s := f.set
	s.scope.Lock()
	held := make(map[*fakeSubConn]bool)
	for _, e := range slices.Concat(s.list, s.handover.old, slices.Collect(maps.Values(s.renewing))) {
		for _, c := range e.link.Conns() {
			held[c.SubConn().(*fakeSubConn)] = true
		}
	}
	s.scope.Unlock()
	live := make(map[*fakeSubConn]bool)
	for _, sc := range f.live() {
		live[sc] = true
	}
	require.True(t, maps.Equal(held, live), "%d SubConns live, %d belong to an endpoint", len(live), len(held))
}

// bubbled hides a test's Deadline, which a bubble does not allow to be asked for.
type bubbled struct{ rapid.TB }

// driver drives a set by random events.
type driver struct {
	t *rapid.T
	f *fixture
}

var machineAddrs = []string{"a:1", "b:1", "c:1", "d:1", "e:1"}

func (m *driver) addr() string { return rapid.SampledFrom(machineAddrs).Draw(m.t, "address") }

// someConn draws a live SubConn, nil if there is none.
func (m *driver) someConn() *fakeSubConn {
	live := m.f.live()
	if len(live) == 0 {
		return nil
	}
	return live[rapid.IntRange(0, len(live)-1).Draw(m.t, "SubConn")]
}

// step makes one event that grpc or a user may make.
func (m *driver) step() {
	t, f := m.t, m.f
	switch rapid.SampledFrom([]string{
		"conn", "conn", "conn", "conn", "server", "server", "channel health", "list", "our list", "drain", "config", "time", "time",
		"resolver error", "exit idle", "watched", "command", "renew", "renew",
	}).Draw(t, "event") {
	case "conn":
		sc := m.someConn()
		if sc == nil {
			return
		}
		sc.mu.Lock()
		wasReady := sc.state == connectivity.Ready
		sc.mu.Unlock()
		if wasReady {
			sc.become(rapid.SampledFrom([]connectivity.State{connectivity.Idle, connectivity.TransientFailure}).Draw(t, "state"), errRefused)
			return
		}
		sc.become(rapid.SampledFrom([]connectivity.State{
			connectivity.Connecting, connectivity.Ready, connectivity.Ready, connectivity.Ready, connectivity.TransientFailure,
		}).Draw(t, "state"), errRefused)
	case "server":
		f.server(m.addr()).set(rapid.SampledFrom([]answer{serving(), serving(), notServing(), hanging(), failing(2, "x")}).Draw(t, "answer"))
	case "channel health":
		if sc := m.someConn(); sc != nil {
			sc.healthBecomes(rapid.SampledFrom([]connectivity.State{
				connectivity.Ready, connectivity.Ready, connectivity.Connecting, connectivity.TransientFailure,
			}).Draw(t, "health"), errRefused)
		}
	case "list":
		list := rapid.SliceOfN(rapid.SampledFrom(machineAddrs), 0, 6).Draw(t, "list")
		err := f.push(list...)
		assert.Equal(t, len(list) == 0, err != nil)
	case "our list":
		m.ourList()
	case "drain":
		_ = f.set.SetDrained(m.addr(), rapid.Bool().Draw(t, "drained")) // of one in the list or not
	case "config":
		f.cfg.NoneEligible = rapid.SampledFrom([]settings.NoneEligible{settings.FailFast, settings.Wait, settings.FailOpen}).Draw(t, "policy")
		f.cfg.Zone = rapid.SampledFrom([]string{"", "x"}).Draw(t, "client's zone")
		if f.cfg.Failover != nil {
			f.cfg.Failover = &settings.Failover{
				FailBack: rapid.SampledFrom([]selector.FailBack{selector.FailBackNever, selector.FailBackAfterHold}).Draw(t, "failBack"),
				HoldDown: 2 * time.Second, Drain: time.Second,
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "health check too") == 0 {
			f.cfg.HealthCheck.Fall = rapid.IntRange(1, 3).Draw(t, "fall")
			f.cfg.HealthCheck.Disabled = rapid.Bool().Draw(t, "disabled")
		}
	case "command":
		m.command()
	case "time":
		time.Sleep(time.Duration(rapid.IntRange(1, 8000).Draw(t, "ms")) * time.Millisecond)
	case "renew":
		f.set.Renew(m.addr()) // of one that is connected or not
	case "resolver error":
		f.resolverError(errRefused)
	case "exit idle":
		f.deliver(f.set.ExitIdle)
	case "watched":
		f.setWatched(rapid.Bool().Draw(t, "watched"))
	}
}

// ourList pushes a list with weights and zones.
func (m *driver) ourList() {
	addrs := rapid.SliceOfNDistinct(rapid.SampledFrom(machineAddrs), 1, 5, rapid.ID).Draw(m.t, "list")
	list := make([]resolver.Endpoint, len(addrs))
	for i, a := range addrs {
		list[i] = resolver.Endpoint{
			Address: a, Weight: rapid.SampledFrom([]int{1, 1, 2, 5}).Draw(m.t, "weight"),
			Zone:     rapid.SampledFrom([]string{"", "x", "y"}).Draw(m.t, "zone"),
			Priority: rapid.IntRange(0, 2).Draw(m.t, "priority"),
		}
	}
	var handles []any
	state := ourState(m.t, &handles, list...)
	m.f.deliver(func() {
		err := m.f.set.UpdateClientConnState(balancer.ClientConnState{ResolverState: state, BalancerConfig: &m.f.cfg})
		assert.NoError(m.t, err)
	})
}

// command gives a command to an active-passive set, and does nothing else.
func (m *driver) command() {
	var err error
	switch s := m.f.set; rapid.SampledFrom([]string{"switch", "pin", "unpin", "unpin"}).Draw(m.t, "command") {
	case "switch":
		err = s.SwitchTo(m.addr())
	case "pin":
		err = s.Pin(m.addr())
	default:
		err = s.Unpin()
	}
	refused := errors.As(err, new(*selector.RefusedError))
	assert.True(m.t, err == nil || refused || m.f.set.choice == nil, "%v", err)
}

// call makes some calls with the published snapshot, and ends them.
func (m *driver) call() {
	for range 3 {
		r, err := m.f.last().Picker.Pick(pickInfo())
		if err != nil {
			return
		}
		if m.f.snapshot().Open {
			r.Done(balancer.DoneInfo{})
			continue
		}
		assert.False(m.t, r.SubConn.(*fakeSubConn).isShutdown())
		r.Done(balancer.DoneInfo{BytesReceived: true})
	}
}

func TestTheSetKeepsItsAccountsThroughAnyHistory(t *testing.T) { testAccounts(t) }

func TestAnActivePassiveSetKeepsItsAccountsThroughAnyHistory(t *testing.T) {
	testAccounts(t, activePassive)
}

func testAccounts(t *testing.T, options ...func(*settings.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(t *rapid.T) {
			m := &driver{t: t, f: newFixture(t, options...)}
			defer func() {
				m.f.close()
				assert.Empty(t, m.f.live(), "a SubConn is left after Close")
				assert.Zero(t, m.f.set.eligible.Len())
				for _, a := range machineAddrs {
					assert.Zero(t, m.f.server(a).openWatches(), "a probe is left after Close")
				}
			}()
			assert.NoError(t, m.f.push(machineAddrs[:3]...))
			for range rapid.IntRange(1, 60).Draw(t, "steps") {
				m.step()
				checkAccounts(t, m.f.set) // at any time
				synctest.Wait()
				checkAccounts(t, m.f.set)
				checkSubConns(t, m.f) // once it is quiet
				checkSnapshot(t, m.f)
				checkEvents(t, m.f.set)
				m.call()
			}
		})
	})
}

// Whatever happened, once every server is well and every connection can be
// made, everything is eligible soon.
func TestTheSetRecoversFromAnyHistory(t *testing.T) { testRecovery(t) }

func TestALeastLoadedSetRecoversFromAnyHistory(t *testing.T) { testRecovery(t, leastLoaded) }

func TestAnActivePassiveSetRecoversFromAnyHistory(t *testing.T) { testRecovery(t, activePassive) }

func testRecovery(t *testing.T, options ...func(*settings.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(t *rapid.T) {
			m := &driver{t: t, f: newFixture(t, options...)}
			defer m.f.close()
			assert.NoError(t, m.f.push(machineAddrs[:3]...))
			for range rapid.IntRange(1, 40).Draw(t, "steps") {
				m.step()
			}
			synctest.Wait()
			m.f.setWatched(false)
			m.f.cfg.Zone = ""
			for _, a := range machineAddrs {
				m.f.server(a).set(serving())
				_ = m.f.set.SetDrained(a, false) // it may not be in the list
			}
			if m.f.set.choice != nil {
				assert.NoError(t, m.f.set.Unpin())
			}
			assert.NoError(t, m.f.push(machineAddrs...))
			for range 300 { // 30 s: pauses of up to 10 s, and two good probes
				for _, sc := range m.f.live() {
					sc.mu.Lock()
					isReady := sc.state == connectivity.Ready
					sc.mu.Unlock()
					if isReady {
						sc.healthBecomes(connectivity.Ready, nil)
					} else {
						sc.become(connectivity.Ready, nil)
					}
				}
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			checkAccounts(t, m.f.set)
			checkSnapshot(t, m.f)
			switch {
			case m.f.cfg.LeastLoaded: // a pick is drawn at random
				assert.Equal(t, len(machineAddrs), m.f.set.counts[judge.Eligible])
			case m.f.set.choice == nil:
				assert.Equal(t, machineAddrs, m.f.picked(), fmt.Sprint(m.f.set.explain()))
			default:
				assert.Len(t, m.f.picked(), 1, fmt.Sprint(m.f.set.explain()))
				assert.Equal(t, len(machineAddrs), m.f.set.counts[judge.Eligible])
			}
			assert.Len(t, m.f.live(), len(machineAddrs))
		})
	})
}
