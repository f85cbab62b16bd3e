package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/store"
)

// rules are names, and who runs each of them: no two at once.
type rules struct {
	t     *testing.T
	names []string
	store *leasetest.Store

	mu     sync.Mutex
	live   map[string]string
	starts int
}

func newRules(t *testing.T, n int) *rules {
	r := &rules{t: t, store: leasetest.NewStore(), live: map[string]string{}}
	for i := range n {
		r.names = append(r.names, fmt.Sprintf("rule%d", i))
	}
	return r
}

func (r *rules) config(s store.Store) lease.GroupConfig {
	cfg := lease.GroupConfig{Config: config(s), Names: r.names}
	cfg.Name = "rules"
	return cfg
}

// member is a process of the group.
type member struct {
	*lease.Group

	link   *leasetest.Link
	stop   context.CancelFunc
	result chan error
}

func (r *rules) start(edit ...func(*lease.GroupConfig)) *member {
	r.t.Helper()
	m := &member{link: r.store.Link(), result: make(chan error, 1)}
	cfg := r.config(m.link)
	for _, e := range edit {
		e(&cfg)
	}
	var err error
	m.Group, err = lease.NewGroup(cfg)
	require.NoError(r.t, err)
	ctx, stop := context.WithCancel(r.t.Context())
	m.stop = stop
	go func() { m.result <- m.Run(ctx, r.work) }()
	r.t.Cleanup(func() {
		stop()
		m.link.Heal()
		synctest.Wait()
	})
	return m
}

func (r *rules) work(ctx context.Context, l lease.Lease) error {
	r.mu.Lock()
	assert.Empty(r.t, r.live[l.Name], "%s runs twice", l.Name)
	r.live[l.Name] = l.Holder
	r.starts++
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, l.Name)
	return nil
}

// counts returns how many names each of the members runs, and how often one has been
// started.
func (r *rules) counts(members ...*member) (list []int, starts int) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range members {
		n := 0
		for _, holder := range r.live {
			if holder == m.Member() {
				n++
			}
		}
		list = append(list, n)
	}
	return list, r.starts
}

func TestAGroupSpreadsEvenlyAndStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRules(t, 9)
		a := r.start()
		time.Sleep(time.Second)
		counts, _ := r.counts(a)
		require.Equal(t, []int{9}, counts, "one alone holds all of them at once")

		b := r.start()
		time.Sleep(5 * ttl)
		counts, starts := r.counts(a, b)
		require.Equal(t, []int{5, 4}, counts)
		require.Equal(t, 13, starts, "no more were moved than have to be")

		c := r.start()
		time.Sleep(10 * ttl)
		counts, starts = r.counts(a, b, c)
		require.Equal(t, []int{3, 3, 3}, counts)
		require.Equal(t, 16, starts)

		time.Sleep(time.Hour)
		counts, starts = r.counts(a, b, c)
		require.Equal(t, []int{3, 3, 3}, counts)
		require.Equal(t, 16, starts, "what is even stays as it is")

		c.stop()
		require.ErrorIs(t, <-c.result, context.Canceled)
		time.Sleep(5 * time.Second)
		counts, _ = r.counts(a, b)
		assert.ElementsMatch(t, []int{5, 4}, counts)
		assert.Len(t, a.Leases(), 9)
		assert.NotEmpty(t, a.Events())
	})
}

func TestLeasesAreLeftToAProcessThatJoinsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 30 * time.Second
		slow := func(c *lease.GroupConfig) { c.RebalanceEvery = every }
		r := newRules(t, 8)
		a := r.start(slow)
		time.Sleep(time.Second)
		b := r.start(slow)
		counts, _ := r.counts(a, b)
		require.Equal(t, []int{8, 0}, counts)
		time.Sleep(every / 2)
		for want := 1; want <= 4; want++ {
			counts, _ = r.counts(a, b)
			require.Equal(t, []int{8 - want, want}, counts)
			time.Sleep(every + 2*time.Second)
		}
		time.Sleep(10 * every)
		counts, starts := r.counts(a, b)
		assert.Equal(t, []int{4, 4}, counts)
		assert.Equal(t, 12, starts)
	})
}

func TestTheLeasesOfAProcessThatIsCutOffAreTakenByTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRules(t, 6)
		a := r.start()
		b := r.start()
		c := r.start()
		time.Sleep(10 * ttl)
		counts, _ := r.counts(a, b, c)
		require.Equal(t, []int{2, 2, 2}, counts)
		c.link.Cut()
		time.Sleep(2 * ttl)
		counts, _ = r.counts(a, b, c)
		require.Equal(t, []int{3, 3, 0}, counts)
		c.link.Heal()
		time.Sleep(10 * ttl)
		counts, _ = r.counts(a, b, c)
		assert.Equal(t, []int{2, 2, 2}, counts)
	})
}

func TestFewerNamesThanProcessesLiveOnceEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRules(t, 2)
		members := []*member{r.start(), r.start(), r.start(), r.start()}
		time.Sleep(10 * ttl)
		counts, starts := r.counts(members...)
		assert.ElementsMatch(t, []int{1, 1, 0, 0}, counts)
		assert.LessOrEqual(t, starts, 3)
	})
}

func TestAnErrorOfAWorkEndsTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRules(t, 3)
		failure := errors.New("it did not work")
		g, err := lease.NewGroup(r.config(r.store.Link()))
		require.NoError(t, err)
		err = g.Run(t.Context(), func(ctx context.Context, l lease.Lease) error {
			if l.Name == "rule1" {
				return failure
			}
			<-ctx.Done()
			return nil
		})
		assert.Equal(t, failure, err)
	})
}

func TestAGroupWhoseWorkHasAllReturnedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRules(t, 3)
		var mu sync.Mutex
		var kinds []lease.EventKind
		cfg := r.config(r.store.Link())
		cfg.Observe = func(e lease.Event) {
			mu.Lock()
			defer mu.Unlock()
			kinds = append(kinds, e.Kind)
		}
		g, err := lease.NewGroup(cfg)
		require.NoError(t, err)
		require.NoError(t, g.Run(t.Context(), func(context.Context, lease.Lease) error { return nil }))
		assert.Len(t, kinds, 6, "each was acquired and released")
	})
}

func TestABadGroupIsRefused(t *testing.T) {
	good := newRules(t, 2).config(leasetest.NewStore())
	good.Logger = slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		edit func(*lease.GroupConfig)
		want string
	}{
		{func(c *lease.GroupConfig) { c.Names = nil }, "lease: Names: 0 of them; want 1 to 200"},
		{func(c *lease.GroupConfig) { c.Names = make([]string, 201) }, "lease: Names: 201 of them"},
		{func(c *lease.GroupConfig) { c.Names = []string{"a", "a"} }, `lease: Names[1] "a": want a name that no other lease has`},
		{func(c *lease.GroupConfig) { c.Names = []string{"rules/wanted"} }, `lease: Names[0] "rules/wanted"`},
		{func(c *lease.GroupConfig) { c.Names = []string{"a", ""} }, `lease: Name "": want`},
		{func(c *lease.GroupConfig) { c.Name = "" }, `lease: Name "": want 1 to 193 bytes`},
		{func(c *lease.GroupConfig) { c.Name = strings.Repeat("n", 194) }, `: want 1 to 193 bytes of printable text`},
		{func(c *lease.GroupConfig) { c.Name = "a\nb" }, `lease: Name "a`},
		{func(c *lease.GroupConfig) { c.Store = nil }, "lease: Store is nil"},
		{func(c *lease.GroupConfig) { c.RebalanceEvery = -1 }, "lease: RebalanceEvery -1ns: want"},
		{func(c *lease.GroupConfig) { c.RebalanceEvery = 5 }, "lease: RebalanceEvery 5ns: want"},
	} {
		cfg := good
		c.edit(&cfg)
		_, err := lease.NewGroup(cfg)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestAGroupRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRules(t, 2)
		m := r.start()
		synctest.Wait()
		require.EqualError(t, m.Run(t.Context(), nil), "lease: Run was called before; a Group runs once")
		before := len(m.Events())
		m.stop()
		require.ErrorIs(t, <-m.result, context.Canceled)
		require.Greater(t, len(m.Events()), before, "the events of the first Run go on")
	})
}
