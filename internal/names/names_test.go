package names

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errServfail = errors.New("server misbehaving")

// server is a name server.
type server struct {
	mu      sync.Mutex
	answer  []netip.Addr
	err     error
	takes   time.Duration
	asked   int
	running int
}

func (s *server) set(takes time.Duration, err error, answer ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takes, s.err, s.answer = takes, err, ips(answer...)
}

func (s *server) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	s.mu.Lock()
	s.asked++
	s.running++
	takes, answer, err := s.takes, s.answer, s.err
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	select {
	case <-time.After(takes):
		return answer, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *server) looked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *server) runs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func ips(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, ip := range list {
		out = append(out, netip.MustParseAddr(ip))
	}
	return out
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAnAnswerIsUsedAndTheNameIsLookedUpEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		r := New(s)
		for i := range 3 {
			s.set(time.Millisecond, nil, fmt.Sprintf("10.0.0.%d", i+1))
			got, err := r.Addresses(t.Context(), "a", nil)
			require.NoError(t, err)
			assert.Equal(t, s.answer, got)
		}
		assert.Equal(t, 3, s.looked())
	})
}

func TestAnIPAddressIsNotLookedUp(t *testing.T) {
	s := new(server)
	for _, ip := range []string{"10.0.0.1", "::1", "fe80::1%eth0"} {
		got, err := New(s).Addresses(t.Context(), ip, nil)
		require.NoError(t, err)
		assert.Equal(t, ips(ip), got)
	}
	assert.Zero(t, s.looked())
}

func TestANameWithoutAnAnswerIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		r := New(s)
		s.set(0, errServfail)
		_, err := r.Addresses(t.Context(), "a", nil)
		require.ErrorIs(t, err, errServfail)
		s.set(0, nil)
		_, err = r.Addresses(t.Context(), "a", nil)
		require.ErrorIs(t, err, errNoAddress)
		assert.NotErrorIs(t, err, ErrPending)
	})
}

func TestTheLastGoodAnswerIsKept(t *testing.T) {
	for name, now := range map[string]func(*server){
		"the name server fails":        func(s *server) { s.set(time.Millisecond, errServfail) },
		"it knows no address any more": func(s *server) { s.set(time.Millisecond, nil) },
		"it hangs":                     func(s *server) { s.set(time.Hour, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(server)
				r := New(s)
				s.set(0, nil, "10.0.0.1", "10.0.0.2")
				_, err := r.Addresses(t.Context(), "a", nil)
				require.NoError(t, err)
				now(s)
				for range 3 {
					start := time.Now()
					got, err := r.Addresses(t.Context(), "a", nil)
					require.NoError(t, err)
					assert.Equal(t, ips("10.0.0.1", "10.0.0.2"), got)
					assert.LessOrEqual(t, time.Since(start), patience)
					time.Sleep(time.Minute)
				}
				assert.Equal(t, 4, s.looked())
				assert.Zero(t, s.runs(), "a look-up is bounded")
			})
		})
	}
}

func TestALookUpGoesOnAfterTheAttemptThatWantedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		r := New(s)
		s.set(12*time.Second, nil, "10.0.0.1") // the first name servers are dead
		start := time.Now()
		for range 2 {
			_, err := r.Addresses(within(t, 5*time.Second), "a", nil)
			require.ErrorIs(t, err, ErrPending)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, "lookup a: ")
		}
		got, err := r.Addresses(within(t, 5*time.Second), "a", nil)
		require.NoError(t, err)
		assert.Equal(t, ips("10.0.0.1"), got)
		assert.Equal(t, 12*time.Second, time.Since(start))
		assert.Equal(t, 1, s.looked())
	})
}

func TestAnAnswerThatComesLateIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		r := New(s)
		s.set(0, nil, "10.0.0.1")
		_, err := r.Addresses(t.Context(), "a", nil)
		require.NoError(t, err)
		s.set(time.Second, nil, "10.0.0.2")
		var late []netip.Addr
		got, err := r.Addresses(t.Context(), "a", func(list []netip.Addr) { late = list })
		require.NoError(t, err)
		assert.Equal(t, ips("10.0.0.1"), got)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, ips("10.0.0.2"), late)

		late = nil
		s.set(time.Second, errServfail)
		_, err = r.Addresses(t.Context(), "a", func(list []netip.Addr) { late = list })
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Nil(t, late, "an error is no answer")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got, err = r.Addresses(ctx, "a", nil)
		require.NoError(t, err)
		assert.Equal(t, ips("10.0.0.2"), got)
		synctest.Wait()
		r.Stop()
	})
}

func TestLookUpsOfOneNameAtTheSameTimeAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		r := New(s)
		s.set(time.Second, nil, "10.0.0.1")
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				got, err := r.Addresses(t.Context(), "a", nil)
				assert.NoError(t, err)
				assert.Equal(t, ips("10.0.0.1"), got)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, s.looked())
	})
}

func TestStopEndsTheLookUpsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		r := New(s)
		s.set(time.Hour, nil)
		_, err := r.Addresses(within(t, time.Second), "a", nil)
		require.ErrorIs(t, err, ErrPending)
		assert.Equal(t, 1, s.runs())
		r.Stop()
		synctest.Wait()
		assert.Zero(t, s.runs())
		s.set(0, nil, "10.0.0.1")
		_, err = r.Addresses(t.Context(), "a", nil)
		assert.NoError(t, err, "it can still be used")
	})
}

func TestTheNumberOfKeptAnswersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		r := New(s)
		s.set(0, nil, "10.0.0.1")
		for i := range maxHosts + 10 {
			_, err := r.Addresses(t.Context(), fmt.Sprint("a", i), nil)
			require.NoError(t, err)
		}
		assert.Len(t, r.hosts, maxHosts)
		s.set(0, errServfail)
		for i := range 10 {
			_, err := r.Addresses(t.Context(), fmt.Sprint("b", i), nil)
			require.Error(t, err)
		}
		assert.LessOrEqual(t, len(r.hosts), maxHosts)
	})
}

func TestFamiliesTakeTurns(t *testing.T) {
	for name, c := range map[string]struct{ in, want []netip.Addr }{
		"one family":       {ips("10.0.0.2", "10.0.0.1"), ips("10.0.0.2", "10.0.0.1")},
		"IPv6 first":       {ips("::1", "::2", "10.0.0.1", "10.0.0.2"), ips("::1", "10.0.0.1", "::2", "10.0.0.2")},
		"IPv4 first":       {ips("10.0.0.1", "::1", "::2", "::3"), ips("10.0.0.1", "::1", "::2", "::3")},
		"repetitions":      {ips("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"), ips("10.0.0.1")},
		"more of the last": {ips("10.0.0.1", "::1", "10.0.0.2", "10.0.0.3"), ips("10.0.0.1", "::1", "10.0.0.2", "10.0.0.3")},
	} {
		assert.Equal(t, c.want, tidy(c.in), name)
	}
	assert.Empty(t, tidy(nil))
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
	}
	assert.Equal(t, many[:MaxAddresses], tidy(many))
}

func TestTheSystemsResolverIsTheDefault(t *testing.T) {
	got, err := New(nil).Addresses(within(t, 30*time.Second), "localhost", nil)
	require.NoError(t, err)
	assert.True(t, got[0].IsLoopback())
}
