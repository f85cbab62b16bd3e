package lease_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/store"
	"github.com/cantonlb/cantonlb/report"
)

const (
	ttl    = 10 * time.Second
	margin = time.Second
)

// node is a candidate whose work runs until its context ends.
type node struct {
	*lease.Candidate

	link   *leasetest.Link
	stop   context.CancelFunc
	result chan error

	mu   sync.Mutex
	held []lease.Lease
	ends []error // the causes
}

func config(s store.Store) lease.Config {
	return lease.Config{
		Store: s, Name: "pink", TTL: ttl, Margin: margin, Clock: lease.Monotonic,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// start runs a candidate until the end of the test.
func start(t *testing.T, s *leasetest.Store, edit ...func(*lease.Config)) *node {
	t.Helper()
	n := &node{link: s.Link(), result: make(chan error, 1)}
	cfg := config(n.link)
	for _, e := range edit {
		e(&cfg)
	}
	var err error
	n.Candidate, err = lease.NewCandidate(cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	n.stop = stop
	go func() { n.result <- n.Run(ctx, n.work) }()
	t.Cleanup(func() {
		stop()
		n.link.Heal()
		synctest.Wait()
	})
	return n
}

func (n *node) work(ctx context.Context, l lease.Lease) error {
	n.mu.Lock()
	n.held = append(n.held, l)
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.ends = append(n.ends, context.Cause(ctx))
	n.mu.Unlock()
	return ctx.Err()
}

// last returns the lease that the node has had last.
func (n *node) last(t *testing.T) lease.Lease {
	t.Helper()
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	require.NotEmpty(t, n.held, "the node has never had the lease")
	return n.held[len(n.held)-1]
}

// terms returns how often the node has had the lease.
func (n *node) terms() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.held)
}

func kinds(events []lease.Event) (list []lease.EventKind) {
	for _, e := range events {
		list = append(list, e.Kind)
	}
	return list
}

func TestAFreeLeaseIsAcquiredAtOnceAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, leasetest.NewStore())
		l := a.last(t)
		assert.Equal(t, "pink", l.Name)
		assert.Equal(t, uint64(1), l.Token)
		assert.Equal(t, ttl-margin, l.Left())
		assert.Equal(t, time.Now().Add(ttl-margin), l.Until())
		for range 100 {
			time.Sleep(time.Second)
			synctest.Wait()
			require.True(t, l.Valid())
			require.Greater(t, l.Left(), 5*time.Second)
		}
		assert.Equal(t, lease.StateHolder, a.Status().State)
		assert.Equal(t, l.Holder, a.Status().Holder)
		assert.True(t, a.Status().Held)
		assert.Equal(t, l.Until(), a.Status().Until)
		assert.Equal(t, 1, a.terms())
	})
}

func TestACleanEndHandsTheLeaseOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s)
		first := a.last(t)
		b := start(t, s)
		synctest.Wait()
		assert.Equal(t, lease.StateCandidate, b.Status().State)
		assert.Equal(t, first.Holder, b.Status().Holder)
		time.Sleep(time.Minute)
		began := time.Now()
		a.stop()
		require.ErrorIs(t, <-a.result, context.Canceled)
		second := b.last(t)
		assert.Equal(t, began, time.Now(), "the store tells of it")
		assert.False(t, first.Valid())
		assert.Greater(t, second.Token, first.Token)
		assert.Equal(t, lease.StateClosed, a.Status().State)
	})
}

func TestAStoreThatDoesNotTellIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		polled := func(c *lease.Config) { c.Store = struct{ store.Store }{c.Store} }
		a := start(t, s, polled)
		a.last(t)
		b := start(t, s, polled)
		time.Sleep(time.Minute)
		a.stop()
		require.ErrorIs(t, <-a.result, context.Canceled)
		time.Sleep(200 * time.Millisecond)
		b.last(t)
	})
}

func TestTheLeaseOfAHolderThatIsCutOffEndsBeforeItPassesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s)
		first := a.last(t)
		b := start(t, s)
		time.Sleep(time.Minute)
		began := time.Now()
		a.link.Cut()
		<-time.After(first.Left())
		synctest.Wait()
		require.False(t, first.Valid())
		require.False(t, a.Status().Held)
		require.Zero(t, a.Status().Until)
		a.mu.Lock()
		require.Len(t, a.ends, 1)
		require.ErrorIs(t, a.ends[0], lease.ErrLost)
		assert.ErrorContains(t, a.ends[0], string(report.ReasonLeaseNotRenewed))
		a.mu.Unlock()
		require.Zero(t, b.terms(), "it has not passed on yet")
		time.Sleep(margin + ttl/3) // at most one reading later
		second := b.last(t)
		assert.Greater(t, second.Token, first.Token)
		assert.LessOrEqual(t, time.Since(began), ttl+ttl/3)
		// It heals, and goes on as a candidate.
		a.link.Heal()
		b.stop()
		require.ErrorIs(t, <-b.result, context.Canceled)
		time.Sleep(ttl)
		third := a.last(t)
		assert.Greater(t, third.Token, second.Token)
		assert.Equal(t, uint64(1), a.Status().Count(lease.EventLost))
		assert.Equal(t, uint64(2), a.Status().Count(lease.EventAcquired))
		assert.False(t, a.Status().StoreFailing)
	})
}

func TestRenewalsThatFailAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s)
		l := a.last(t)
		for range 20 {
			a.link.Fail()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			require.True(t, l.Valid())
			require.True(t, a.Status().StoreFailing)
			require.NotEmpty(t, a.Status().StoreError)
			a.link.Heal()
			time.Sleep(2 * time.Second)
		}
		assert.Equal(t, 1, a.terms())
		assert.Contains(t, kinds(a.Events()), lease.EventStoreFailing)
		assert.Contains(t, kinds(a.Events()), lease.EventStoreAnswering)
	})
}

func TestAnAcquireWhoseAnswerIsLostIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s, func(c *lease.Config) {
			link := c.Store.(*leasetest.Link)
			link.LoseAnswers(2) // of the first read, and of the first acquire
		})
		time.Sleep(time.Second)
		l := a.last(t)
		assert.Positive(t, l.Token)
		events := a.Events()
		assert.Equal(t, lease.EventAcquired, events[len(events)-1].Kind)
	})
}

func TestTheLeaseOfACandidateThatStopsWhileItAcquiresIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s, func(c *lease.Config) { c.Store.(*leasetest.Link).SetLatency(time.Second) })
		time.Sleep(1600 * time.Millisecond) // the acquire has taken effect; its answer is on its way
		r, err := s.Read(t.Context(), "pink")
		require.NoError(t, err)
		require.False(t, r.Free())
		a.stop()
		require.ErrorIs(t, <-a.result, context.Canceled)
		r, err = s.Read(t.Context(), "pink")
		require.NoError(t, err)
		assert.True(t, r.Free())
		assert.Zero(t, a.terms())
	})
}

func TestAStopDoesNotWaitForAStoreThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, leasetest.NewStore(), func(c *lease.Config) { c.Store.(*leasetest.Link).Cut() })
		time.Sleep(time.Hour)
		began := time.Now()
		a.stop()
		require.ErrorIs(t, <-a.result, context.Canceled)
		assert.LessOrEqual(t, time.Since(began), time.Second/4)
	})
}

func TestALeaseThatIsTakenAwayIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s)
		l := a.last(t)
		s.Put("pink", store.Record{Holder: "by hand", Token: 99, TTL: ttl})
		time.Sleep(ttl / 2)
		synctest.Wait()
		assert.False(t, l.Valid())
		a.mu.Lock()
		assert.ErrorContains(t, a.ends[0], string(report.ReasonLeaseTaken))
		a.mu.Unlock()
		time.Sleep(2 * ttl)
		assert.Equal(t, uint64(100), a.last(t).Token)
	})
}

func TestALeaseThatIsReleasedIsTakenWithOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s)
		a.last(t)
		b := start(t, s)
		time.Sleep(ttl / 2)
		synctest.Wait()
		before, began := b.link.Requests(), time.Now()
		a.stop()
		assert.Equal(t, uint64(2), b.last(t).Token)
		assert.Equal(t, 1, b.link.Requests()-before)
		assert.Zero(t, time.Since(began))
	})
}

func TestATokenThatGoesBackIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s)
		a.last(t)
		b := start(t, s)
		s.Put("pink", store.Record{Holder: "x", Token: 99, TTL: ttl})
		time.Sleep(ttl / 2) // both have seen it
		s.Put("pink", store.Record{})
		time.Sleep(10 * ttl)
		synctest.Wait()
		assert.Equal(t, 1, a.terms())
		assert.Zero(t, b.terms())
		all := append(a.Events(), b.Events()...)
		assert.Contains(t, kinds(all), lease.EventRefused)
		for _, e := range all {
			if e.Kind == lease.EventRefused {
				assert.Equal(t, report.ReasonLeaseTokenWentBack, e.Reason)
			}
		}
	})
}

func TestRunReturnsWhatWorkReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		failure := errors.New("it did not work")
		for _, want := range []error{nil, failure} {
			var ctx context.Context
			err := lease.Run(t.Context(), config(s.Link()), func(c context.Context, _ lease.Lease) error {
				ctx = c //nolint:fatcontext // to look at it afterwards
				return want
			})
			require.Equal(t, want, err)
			require.Error(t, ctx.Err(), "the context of work ends with it")
			r, err := s.Read(t.Context(), "pink")
			require.NoError(t, err)
			assert.True(t, r.Free())
		}
	})
}

func TestWorkThatIsStoppedKeepsTheLeaseUntilItHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		ctx, stop := context.WithCancelCause(t.Context())
		reason := errors.New("maintenance")
		time.AfterFunc(time.Second, func() { stop(reason) })
		err := lease.Run(ctx, config(s.Link()), func(ctx context.Context, l lease.Lease) error {
			<-ctx.Done()
			assert.Equal(t, reason, context.Cause(ctx))
			time.Sleep(3 * ttl)
			assert.True(t, l.Valid())
			return nil
		})
		assert.NoError(t, err)
	})
}

func TestWorkThatEndsByGoexitEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := lease.Run(t.Context(), config(leasetest.NewStore()), func(context.Context, lease.Lease) error {
			runtime.Goexit()
			return nil
		})
		assert.ErrorContains(t, err, "Goexit")
	})
}

func TestWorkThatIsStuckIsReportedAndNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := leasetest.NewStore().Link()
		c, err := lease.NewCandidate(config(link))
		require.NoError(t, err)
		let := make(chan struct{})
		runs := 0
		ctx, stop := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			result <- c.Run(ctx, func(ctx context.Context, _ lease.Lease) error {
				runs++
				if runs == 1 {
					<-let
					return errors.New("at last")
				}
				<-ctx.Done()
				return nil
			})
		}()
		synctest.Wait()
		link.Cut()
		time.Sleep(ttl - margin/2)
		synctest.Wait()
		require.Equal(t, lease.EventStuck, c.Events()[len(c.Events())-1].Kind)
		link.Heal()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, 1, runs)
		assert.Equal(t, lease.StateEnding, c.Status().State)
		assert.True(t, c.Status().Stuck)
		close(let)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 2, runs)
		assert.False(t, c.Status().Stuck)
		assert.Equal(t, "at last", c.Status().StoreError)
		stop()
		assert.NoError(t, <-result)
	})
}

func TestTheContextOfWorkLooksAtTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead time.Duration
		var mu sync.Mutex
		cfg := config(leasetest.NewStore())
		cfg.Clock = func() time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return lease.Monotonic() + ahead
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		_ = lease.Run(ctx, cfg, func(ctx context.Context, l lease.Lease) error {
			inside, ok := lease.FromContext(context.WithoutCancel(ctx))
			assert.True(t, ok)
			assert.Equal(t, l, inside)
			assert.NoError(t, ctx.Err())
			mu.Lock()
			ahead = ttl // the machine has slept, and no timer has fired yet
			mu.Unlock()
			assert.False(t, l.Valid())
			assert.Error(t, ctx.Err())
			assert.ErrorIs(t, context.Cause(ctx), lease.ErrLost)
			stop()
			return nil
		})
	})
}

func TestOutsideOfWorkThereIsNoLease(t *testing.T) {
	_, ok := lease.FromContext(t.Context())
	assert.False(t, ok)
	assert.False(t, lease.Lease{}.Valid())
	assert.Zero(t, lease.Lease{}.Left())
}

func TestACandidateRunsOnce(t *testing.T) {
	c, err := lease.NewCandidate(config(leasetest.NewStore()))
	require.NoError(t, err)
	assert.Equal(t, lease.StateIdle, c.Status().State)
	nothing := func(context.Context, lease.Lease) error { return nil }
	require.NoError(t, c.Run(t.Context(), nothing))
	assert.ErrorContains(t, c.Run(t.Context(), nothing), "once")
}

func TestEventsAreObservedLoggedAndFollowedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var observed []lease.Event
		cfg := config(leasetest.NewStore())
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Observe = func(e lease.Event) { observed = append(observed, e) }
		c, err := lease.NewCandidate(cfg)
		require.NoError(t, err)
		var followed []lease.Event
		followers := sync.WaitGroup{}
		all := c.Subscribe(t.Context())
		followers.Go(func() {
			for news := range all {
				followed = append(followed, news.Events...)
			}
		})
		require.NoError(t, c.Run(t.Context(), func(context.Context, lease.Lease) error { return nil }))
		followers.Wait()
		assert.Equal(t, []lease.EventKind{lease.EventAcquired, lease.EventReleased}, kinds(observed))
		assert.Equal(t, observed, followed)
		assert.Equal(t, observed, c.Events())
		assert.Regexp(t, `^lease "pink": acquired by ".*/[0-9a-f]{16}" with token 1 \(free\)$`, observed[0].String())
		assert.Equal(t, uint64(2), observed[1].Number)
	})
}

func TestAnObserverThatBlocksDoesNotHoldUpRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		a := start(t, leasetest.NewStore(), func(c *lease.Config) { c.Observe = func(lease.Event) { <-let } })
		l := a.last(t)
		time.Sleep(time.Minute)
		assert.True(t, l.Valid())
		close(let)
	})
}

func TestRunReturnsAlthoughTheObserverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s, func(c *lease.Config) { c.Observe = func(lease.Event) { time.Sleep(time.Hour) } })
		a.last(t)
		b := start(t, s)
		began := time.Now()
		a.stop()
		require.ErrorIs(t, <-a.result, context.Canceled)
		assert.Equal(t, time.Second, time.Since(began))
		b.last(t)
		time.Sleep(2 * time.Hour)
	})
}

// watchesEnded returns how many events report that a watch has ended.
func watchesEnded(n *node) (count int) {
	for _, e := range n.Events() {
		if e.Kind == lease.EventWatchEnded {
			count++
		}
	}
	return count
}

func TestAWatchThatFailsIsToldOfOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		a := start(t, s)
		a.last(t)
		b := start(t, s)
		synctest.Wait()
		b.link.Fail()
		time.Sleep(time.Minute)
		assert.Equal(t, 1, watchesEnded(b))
		b.link.Heal()
		time.Sleep(time.Minute)
		began := time.Now()
		a.stop()
		require.ErrorIs(t, <-a.result, context.Canceled)
		b.last(t)
		assert.Equal(t, began, time.Now(), "it is told of changes again")
	})
}

func TestOneOfManyCandidatesHoldsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := leasetest.NewStore()
		var nodes []*node
		for range 20 {
			nodes = append(nodes, start(t, s))
		}
		var token uint64
		for len(nodes) > 0 {
			time.Sleep(time.Second)
			synctest.Wait()
			holders := 0
			for i := range nodes {
				if nodes[i].Status().State != lease.StateHolder {
					continue
				}
				holders++
				require.Greater(t, nodes[i].last(t).Token, token)
				token = nodes[i].last(t).Token
				nodes[i], nodes[0] = nodes[0], nodes[i]
			}
			require.Equal(t, 1, holders)
			nodes[0].stop()
			require.ErrorIs(t, <-nodes[0].result, context.Canceled)
			nodes = nodes[1:]
		}
		assert.Equal(t, uint64(20), token)
	})
}

// brief is a store whose watches end at once, without an error.
type brief struct{ store.Store }

func (brief) Watch(context.Context, string, func(*store.Record)) error { return nil }

func TestAWatchThatEndsWithoutAnErrorHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, leasetest.NewStore(), func(c *lease.Config) { c.Store = brief{c.Store} })
		a.last(t)
		var ended []lease.Event
		for _, e := range a.Events() {
			if e.Kind == lease.EventWatchEnded {
				ended = append(ended, e)
			}
		}
		require.Len(t, ended, 1)
		assert.Equal(t, `lease "pink": watch_ended (store_error: watching: it ended)`, ended[0].String())
	})
}

// restless is a store whose watches end a moment after they have begun, with an error.
type restless struct {
	store.Store

	watches *atomic.Int64
}

func (r restless) Watch(_ context.Context, _ string, changed func(*store.Record)) error {
	r.watches.Add(1)
	changed(nil)
	return errors.New("too many watches")
}

func TestWatchesThatEndAtOnceAreToldOfOnceAndMadeLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var watches atomic.Int64
		a := start(t, leasetest.NewStore(), func(c *lease.Config) { c.Store = restless{c.Store, &watches} })
		a.last(t)
		time.Sleep(time.Minute)
		assert.Equal(t, 1, watchesEnded(a))
		assert.Less(t, watches.Load(), int64(60))
	})
}
