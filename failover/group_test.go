package failover_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/failover"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/report"
)

// service is replicas whose health is the test's to set.
type service struct {
	mu      sync.Mutex
	healthy map[string]bool
	probes  map[string]int
}

func newService(healthy ...string) *service {
	s := &service{healthy: map[string]bool{}, probes: map[string]int{}}
	for _, name := range healthy {
		s.healthy[name] = true
	}
	return s
}

func (s *service) set(name string, healthy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.healthy[name] = healthy
}

func (s *service) probed(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probes[name]
}

func (s *service) member(name string) failover.Member {
	return failover.Member{Name: name, Probes: healthcheck.Probes{
		Check: healthcheck.Func(name, func(context.Context) report.Verdict {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.probes[name]++
			if s.healthy[name] {
				return report.Verdict{Outcome: report.Serving}
			}
			return report.Verdict{Outcome: report.NotServing}
		}),
	}}
}

// group makes a group of a service's replicas a and b.
func (s *service) group(t *testing.T, cfg failover.Config) *failover.Group {
	t.Helper()
	g, err := failover.NewGroup(cfg, []failover.Member{s.member("a"), s.member("b")})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, g.Close()) })
	return g
}

func activeOf(g *failover.Group) string {
	name, _ := g.Active()
	return name
}

func TestAGroupHoldsOnToItsActiveAndFollowsWhenAnotherTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService("a")
		g := s.group(t, failover.Config{})
		name, err := g.Await(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "a", name)

		s.set("a", false)
		time.Sleep(2 * time.Second)
		_, ok := g.Active()
		assert.False(t, ok)
		state := g.State()
		assert.Equal(t, failover.State{Since: state.Since, Lost: report.ReasonNotServing, Last: "a", Switches: 1}, state)

		time.AfterFunc(30*time.Second, func() { s.set("b", true) })
		began := time.Now()
		name, err = g.Await(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "b", name)
		assert.LessOrEqual(t, time.Since(began), 31200*time.Millisecond)

		s.set("a", true)
		time.Sleep(time.Hour)
		assert.Equal(t, "b", activeOf(g))
		assert.Equal(t, []string{"a", "b"}, g.State().Multiple)
		members := g.Members()
		require.Len(t, members, 2)
		assert.False(t, members[0].Active)
		assert.True(t, members[1].Active)
		assert.Equal(t, report.Healthy, members[0].Health)
	})
}

func TestASubscriberOfAGroupGetsTheStateAndEachSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService("a", "b")
		g := s.group(t, failover.Config{})
		_, err := g.Await(t.Context())
		require.NoError(t, err)
		synctest.Wait() // for b, whose word that it serves is an event too
		type told struct {
			active   string
			switches []string
		}
		batches := make(chan told, 100)
		go func() {
			defer close(batches)
			for n := range g.Subscribe(t.Context()) {
				x := told{active: n.State.Active}
				for _, sw := range n.Switches {
					x.switches = append(x.switches, sw.String())
				}
				batches <- x
			}
		}()
		synctest.Wait()
		assert.Equal(t, told{active: "a"}, <-batches, "the state of now comes at once")
		require.NoError(t, g.Switch(t.Context(), "b"))
		assert.Equal(t, told{"b", []string{`switch 2: "a" -> "b" (by_hand)`}}, <-batches)
		require.NoError(t, g.Pin("b"))
		assert.Equal(t, told{active: "b"}, <-batches)
		s.set("b", false)
		assert.Equal(t, told{}, <-batches)
		require.NoError(t, g.Unpin())
		assert.Equal(t, told{"a", []string{`switch 3: "b" -> "a" (not_serving)`}}, <-batches)
		require.NoError(t, g.Close())
		for range batches { // whatever came, the loop has ended
		}
	})
}

func TestASlowSubscriberOfAGroupGetsTheNewestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newService("a", "b").group(t, failover.Config{})
		_, err := g.Await(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		calls := 0
		for n := range g.Subscribe(t.Context()) {
			if calls++; calls == 2 {
				assert.Equal(t, "b", n.State.Active)
				assert.EqualValues(t, 5001+1, n.State.Switches)
				assert.EqualValues(t, 5001, uint64(len(n.Switches))+n.Missed)
				assert.Equal(t, n.State.Switches, n.Switches[len(n.Switches)-1].Number)
				break
			}
			for i := range 5001 { // nothing waits for the subscriber
				require.NoError(t, g.Switch(t.Context(), []string{"b", "a"}[i%2]))
			}
		}
		assert.Equal(t, 2, calls)
	})
}

func TestCommandsOfAGroupAreRefusedIfTheyWouldLeaveNoActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService("a")
		g := s.group(t, failover.Config{})
		_, err := g.Await(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		refused := func(err error, text string, reason report.Reason) {
			t.Helper()
			var r *failover.RefusedError
			require.ErrorAs(t, err, &r)
			assert.EqualError(t, err, "failover: "+text)
			assert.Equal(t, reason, r.Reason)
		}
		refused(g.Switch(t.Context(), "b"), `switch "b" refused: it is not eligible (not_serving)`, report.ReasonNotServing)
		refused(g.Pin("c"), `pin "c" refused: no such endpoint in the list`, report.ReasonNone)
		refused(g.Drain("a"), `drain "a" refused: no other endpoint could be active (no_standby)`, report.ReasonNoStandby)
		s.set("b", true)
		time.Sleep(2 * time.Second)
		require.NoError(t, g.Drain("a"))
		assert.Equal(t, "b", activeOf(g))
		assert.True(t, g.Members()[0].Drained)
		require.NoError(t, g.Undrain("a"))
		assert.False(t, g.Members()[0].Drained)
		assert.Equal(t, "b", activeOf(g))

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, g.Switch(ended, "a"), context.Canceled)
		require.NoError(t, g.Close())
		closed := failover.State{Since: time.Now(), Last: "b", Switches: 2}
		assert.Equal(t, closed, g.State())
		for _, m := range g.Members() {
			assert.False(t, m.Active)
		}
		for batch := range g.Subscribe(t.Context()) {
			assert.Equal(t, failover.SwitchBatch{State: closed}, batch)
		}
		require.EqualError(t, g.Pin("a"), "failover: the group is closed")
		_, err = g.Await(t.Context())
		require.EqualError(t, err, "failover: the group is closed")
		assert.NoError(t, g.Close(), "a second time")
	})
}

func TestAReportOfAFailedCallHasEveryMemberAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService("a")
		g := s.group(t, failover.Config{HealthCheck: healthcheck.Config{Interval: time.Hour, Timeout: time.Second}})
		_, err := g.Await(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		a, b := s.probed("a"), s.probed("b")
		require.NoError(t, g.Report("a", nil))
		synctest.Wait()
		assert.Equal(t, []int{a, b}, []int{s.probed("a"), s.probed("b")}, "all is well")

		s.set("a", false)
		s.set("b", true)
		began := time.Now()
		require.NoError(t, g.Report("a", errors.New("connection refused")))
		for activeOf(g) != "b" {
			time.Sleep(time.Millisecond)
		}
		assert.LessOrEqual(t, time.Since(began), 300*time.Millisecond)
		assert.EqualError(t, g.Report("c", nil), `failover: report: no member "c"`)
	})
}

func TestAReportThatTheProbesDoNotConfirmChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newService("a", "b").group(t, failover.Config{})
		_, err := g.Await(t.Context())
		require.NoError(t, err)
		for range 100 {
			require.NoError(t, g.Report("a", errors.New("not found")))
			time.Sleep(10 * time.Millisecond)
		}
		assert.Equal(t, "a", activeOf(g))
		assert.EqualValues(t, 1, g.State().Switches)
	})
}

func TestWhileNobodyIsActiveAGroupSearchesAtAGrowingPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		g := s.group(t, failover.Config{HealthCheck: healthcheck.Config{Interval: time.Hour, Timeout: time.Second}})
		time.Sleep(time.Second)
		assert.InDelta(t, 4, s.probed("a"), 2)
		time.Sleep(10 * time.Second)
		before := s.probed("a")
		time.Sleep(10 * time.Second)
		assert.InDelta(t, 11, s.probed("a")-before, 2)
		s.set("a", true)
		ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer cancel()
		_, err := g.Await(ctx)
		require.NoError(t, err)
	})
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newService().group(t, failover.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := g.Await(ctx)
		assert.EqualError(t, err, "failover: no member is active: context deadline exceeded")
	})
}

func TestAGroupFailsBackAfterTheHoldDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService("a", "b")
		a := s.member("a")
		a.Priority = 1
		g, err := failover.NewGroup(failover.Config{FailBack: failover.FailBackAfterHold, HoldDown: time.Minute},
			[]failover.Member{a, s.member("b")})
		require.NoError(t, err)
		defer g.Close()
		time.Sleep(time.Second)
		assert.Equal(t, "b", activeOf(g), "the lower number is preferred")
		s.set("b", false)
		time.Sleep(time.Hour)
		s.set("b", true)
		time.Sleep(time.Minute - time.Second)
		assert.Equal(t, "a", activeOf(g))
		time.Sleep(3 * time.Second)
		assert.Equal(t, "b", activeOf(g))
	})
}

func TestBadGroupsAreRefusedWithWhatWouldBeRight(t *testing.T) {
	s := newService()
	noCheck := failover.Member{Name: "a"}
	good := []failover.Member{s.member("a")}
	for want, c := range map[string]struct {
		cfg     failover.Config
		members []failover.Member
	}{
		"members: empty list; want at least one member":                                                                                   {},
		`members[0].name "": want 1 to 256 bytes of printable text`:                                                                       {members: []failover.Member{s.member("")}},
		`members[0].name "a\nb": want 1 to 256 bytes of printable text`:                                                                   {members: []failover.Member{s.member("a\nb")}},
		`members[1].name "a": the name of members[0] already; want a unique name`:                                                         {members: []failover.Member{s.member("a"), s.member("a")}},
		`members[0] "a": no Check probe; want one`:                                                                                        {members: []failover.Member{noCheck}},
		`failBack "always": want "never" or "afterHold"`:                                                                                  {failover.Config{FailBack: "always"}, good},
		`holdDown "-1s": want a duration above zero and of at most 24h0m0s`:                                                               {failover.Config{HoldDown: -time.Second}, good},
		`holdDown "10ns": want a duration of at least "1ms"; in Go, a number without a unit, such as 5 * time.Second has, is nanoseconds`: {failover.Config{HoldDown: 10}, good},
		`healthCheck.interval "-1s": want a duration above zero, such as "1s"`:                                                            {failover.Config{HealthCheck: healthcheck.Config{Interval: -time.Second}}, good},
		fmt.Sprintf(`members[0].name "%s...": want 1 to 256 bytes of printable text`, strings.Repeat("x", 97)):                            {members: []failover.Member{s.member(strings.Repeat("x", 300))}},
	} {
		_, err := failover.NewGroup(c.cfg, c.members)
		assert.EqualError(t, err, "failover: "+want)
	}
	_, err := failover.NewGroup(failover.Config{
		FailBack: "always", HoldDown: -1, HealthCheck: healthcheck.Config{Interval: -1, Fall: -1},
	}, []failover.Member{s.member("a"), s.member("a"), noCheck})
	var fields []string
	for _, e := range configerr.All(err) {
		fields = append(fields, e.Field)
	}
	assert.Equal(t, []string{
		"failBack", "holdDown", "healthCheck.interval", "healthCheck.fall", "members[1].name", "members[2].name", "members[2]",
	}, fields)
}

// canton: LoadBalancedHA, where the health page follows who is active.
func TestAGroupFollowsTheHealthPagesOfReplicas(t *testing.T) {
	s := newService("a")
	page := func(name string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.healthy[name] {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(server.Close)
		return server.URL + "/health"
	}
	var members []failover.Member
	for _, name := range []string{"a", "b"} {
		members = append(members, failover.Member{Name: name, Probes: healthcheck.Probes{
			Check: healthcheck.HTTPGet(nil, page(name), healthcheck.HTTPOptions{}),
		}})
	}
	g, err := failover.NewGroup(failover.Config{HealthCheck: healthcheck.Config{Interval: 10 * time.Millisecond}}, members)
	require.NoError(t, err)
	defer g.Close()
	ctx := testkit.Context(t)
	for n := range g.Subscribe(ctx) {
		switch n.State.Active {
		case "a":
			s.set("a", false)
			s.set("b", true)
		case "b":
			return
		}
	}
	assert.Fail(t, "it did not follow", "%v", g.State())
}

func TestAGroupWorksAndClosesAlthoughAProbeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService("b")
		hung := failover.Member{Name: "a", Probes: healthcheck.Probes{
			Check: healthcheck.Func("a", func(context.Context) report.Verdict {
				time.Sleep(time.Hour) // whatever its context says
				return report.Verdict{Outcome: report.Serving}
			}),
		}}
		g, err := failover.NewGroup(failover.Config{}, []failover.Member{hung, s.member("b")})
		require.NoError(t, err)
		name, err := g.Await(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "b", name)
		time.Sleep(time.Minute)
		assert.Equal(t, report.ReasonProbeTimeout, g.Members()[0].Reason)
		start := time.Now()
		err = g.Close()
		assert.LessOrEqual(t, time.Since(start), time.Second)
		assert.EqualError(t, err, `failover: healthcheck: closed, although code of the program has not returned: a probe of "a"`)
		time.Sleep(2 * time.Hour)
	})
}
