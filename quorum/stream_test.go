package quorum

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// item is an event of a stream; local ones are a member's own.
type item struct {
	at    int64
	key   string
	local bool
}

// The right stream has an event at 10, 20, 30 and so on.
func right(i int) item { return item{at: int64(i) * 10, key: fmt.Sprint("event ", i)} }

// source is a member's stream, from its event i on.
type source func(ctx context.Context, i int) func() (item, error)

// sound sends n events, and then ends.
func sound(n int) source {
	return func(ctx context.Context, i int) func() (item, error) {
		return func() (item, error) {
			if ctx.Err() != nil {
				return item{}, ctx.Err()
			}
			if i > n {
				return item{}, io.EOF
			}
			i++
			return right(i - 1), nil
		}
	}
}

// spoiled changes what a sound source sends.
func spoiled(n int, change func(ctx context.Context, e item, next func() (item, error)) (item, error)) source {
	return func(ctx context.Context, i int) func() (item, error) {
		next := sound(n)(ctx, i)
		return func() (item, error) {
			e, err := next()
			if err != nil {
				return e, err
			}
			return change(ctx, e, next)
		}
	}
}

func forked(n, at int) source {
	return spoiled(n, func(_ context.Context, e item, _ func() (item, error)) (item, error) {
		if e.at >= int64(at)*10 {
			e.key += " of a fork"
		}
		return e, nil
	})
}

// faults are the ways in which a member's stream of n events can be wrong or late.
func faults(n int) map[string]func(r *rand.Rand) source {
	at := func(r *rand.Rand) int64 { return int64(r.IntN(n)+1) * 10 }
	return map[string]func(r *rand.Rand) source{
		"forks":          func(r *rand.Rand) source { return forked(n, r.IntN(n)+1) },
		"forks together": func(*rand.Rand) source { return forked(n, n/2) },
		"skips": func(r *rand.Rand) source {
			at := at(r)
			return spoiled(n, func(_ context.Context, e item, next func() (item, error)) (item, error) {
				if e.at == at {
					return next()
				}
				return e, nil
			})
		},
		"inserts": func(r *rand.Rand) source {
			at := at(r)
			return func(ctx context.Context, i int) func() (item, error) {
				next, done := sound(n)(ctx, i), false
				return func() (item, error) {
					if int64(i)*10 == at && !done {
						done = true
						return item{at: at - 5, key: "inserted"}, nil
					}
					i++
					return next()
				}
			}
		},
		"repeats": func(r *rand.Rand) source {
			at := at(r)
			return spoiled(n, func(_ context.Context, e item, _ func() (item, error)) (item, error) {
				if e.at == at+10 {
					return right(int(at / 10)), nil
				}
				return e, nil
			})
		},
		"ends too early": func(r *rand.Rand) source { return sound(r.IntN(n)) },
		"hangs": func(r *rand.Rand) source {
			at := at(r)
			return spoiled(n, func(ctx context.Context, e item, _ func() (item, error)) (item, error) {
				if e.at >= at {
					<-ctx.Done()
					return e, ctx.Err()
				}
				return e, nil
			})
		},
		"breaks often": func(r *rand.Rand) source {
			var count atomic.Int64
			every := int64(r.IntN(n/10+1) + n/20 + 1)
			return spoiled(n, func(_ context.Context, e item, _ func() (item, error)) (item, error) {
				if count.Add(1)%every == 0 {
					return e, errBroken
				}
				return e, nil
			})
		},
		"cannot be opened": func(*rand.Rand) source { return nil },
		"sends its own": func(*rand.Rand) source {
			return spoiled(n, func(_ context.Context, e item, _ func() (item, error)) (item, error) {
				e.local = true
				return e, nil
			})
		},
	}
}

// feed is a stream's config over sources by the members' names.
func feed(sources map[string]source) StreamConfig[item, int64] {
	return StreamConfig[item, int64]{
		Open: func(ctx context.Context, m Member, from *int64) (Receiver[item], error) {
			i := 1
			if from != nil {
				i = int(*from / 10)
			}
			s := sources[m.Name]
			if s == nil {
				return nil, errBroken
			}
			return receiver(s(ctx, i)), nil
		},
		Position: func(e item) int64 { return e.at },
		Key:      func(e item) string { return e.key },
		Local:    func(e item) bool { return e.local },
		Finite:   true,
	}
}

type receiver func() (item, error)

func (r receiver) Recv() (item, error) { return r() }

func allSound(m *Members, n int) map[string]source {
	sources := map[string]source{}
	for _, x := range m.List() {
		sources[x.Name] = sound(n)
	}
	return sources
}

// expect reads events i to n, and no others.
func expect(t require.TestingT, s *Stream[item, int64], i, n int) {
	for ; i <= n; i++ {
		e, err := s.Recv()
		if err != nil || e != right(i) {
			t.Errorf("event %d: %v, %v", i, e, err)
			t.FailNow()
		}
	}
}

func expectEnd(t require.TestingT, s *Stream[item, int64]) {
	for range 2 {
		_, err := s.Recv()
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestAStreamDeliversWhatMembersAgreeOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		s, err := NewStream(t.Context(), m, feed(allSound(m, 500)))
		require.NoError(t, err)
		_, ok := s.Point()
		assert.False(t, ok)
		expect(t, s, 1, 500)
		assert.Len(t, s.Subscribed(), 3, "T + M = 2f + 1")
		expectEnd(t, s)
		s.Close()
		s.Close()
	})
}

// Whatever up to f members do: no event is wrong, missing or repeated.
func TestAStreamIsRightWhateverUpToFMembersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check(t, func(r *rapid.T) { randomStream(t, r, 300) })
	})
}

func randomStream(t *testing.T, r *rapid.T, events int) {
	n := rapid.IntRange(4, 13).Draw(r, "n")
	m := newMembers(t, n)
	sources := allSound(m, events)
	kinds := faults(events)
	wrong := map[string]string{}
	seed := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))
	for _, i := range rapid.Permutation(indices(n)).Draw(r, "which")[:Faulty(n)] {
		name, kind := m.List()[i].Name, rapid.SampledFrom(keys(kinds)).Draw(r, "fault")
		sources[name], wrong[name] = kinds[kind](seed), kind
	}
	cfg := feed(sources)
	cfg.Margin = rapid.SampledFrom([]int{0, 1, n - Faulty(n) - 1}).Draw(r, "margin")
	cfg.Buffer = rapid.IntRange(1, 100).Draw(r, "buffer")
	// It is closed and resumed at any place, as if the program had been killed.
	for i := 1; ; {
		s, err := NewStream(t.Context(), m, cfg)
		if err != nil {
			r.Fatal(err)
		}
		until := rapid.IntRange(i, events+events/3).Draw(r, "until")
		expect(r, s, i, min(until, events))
		if i = min(until, events) + 1; until > events {
			expectEnd(r, s)
			s.Close()
			break
		}
		point, _ := s.Point()
		s.Close()
		stored, err := json.Marshal(point)
		if err != nil {
			r.Fatal(err)
		}
		cfg.Resume = new(Point[int64])
		if err := json.Unmarshal(stored, cfg.Resume); err != nil {
			r.Fatal(err)
		}
	}
	synctest.Wait()
	for _, e := range m.Events() {
		if e.Kind == EventDissent && wrong[e.Member] == "" {
			r.Fatalf("an honest member is said to contradict: %v", e)
		}
	}
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	// rapid wants the same order each time.
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if out[j] < out[i] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

func TestAHundredThousandEventsWithFaultsAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events, n = 100_000, 7
		m := newMembers(t, n)
		sources := allSound(m, events)
		seed := rand.New(rand.NewPCG(1, 2))
		sources["org1"] = faults(events)["breaks often"](seed)
		sources["org2"] = forked(events, 61_803)
		// The others break at random too, but are honest.
		for _, name := range []string{"org3", "org5", "org7"} {
			sources[name] = spoiled(events, func(_ context.Context, e item, _ func() (item, error)) (item, error) {
				if rand.IntN(5_000) == 0 {
					return e, errBroken
				}
				return e, nil
			})
		}
		cfg := feed(sources)
		cfg.Margin = 4
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		for i := 1; i <= events; i += 20 {
			synctest.Wait() // so that the members keep step
			expect(t, s, i, i+19)
		}
		expectEnd(t, s)
		var dissents []string
		for _, e := range m.Events() {
			if e.Kind == EventDissent {
				dissents = append(dissents, e.String())
			}
		}
		require.Len(t, dissents, 1)
		assert.Contains(t, dissents[0], `member "org2" (fork)`)
		assert.Contains(t, dissents[0], "at 618030", "at the first event that differs")
	})
}

func TestAForkIsFoundAtItsFirstEventWhereverItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, at := range []int{1, 2, 63, 64, 65, 99, 100} {
			m := newMembers(t, 4)
			sources := allSound(m, 100)
			sources["org3"] = forked(100, at)
			cfg := feed(sources)
			cfg.Margin = 2
			s, err := NewStream(t.Context(), m, cfg)
			require.NoError(t, err)
			for i := range 100 {
				synctest.Wait() // all members have said what they have to say
				expect(t, s, i+1, i+1)
			}
			expectEnd(t, s)
			s.Close()
			events := m.Events()
			require.Len(t, events, 1, at)
			assert.Equal(t, ReasonFork, events[0].Reason)
			assert.Regexp(t, fmt.Sprintf(`^at %d\b`, at*10), events[0].Detail)
			status := m.Status().Members[2]
			assert.True(t, status.Excluded && status.Dissenting)
		}
	})
}

// A member that has another past than the one that was delivered is found out when the
// stream is resumed, before it can take part.
func TestAForkIsFoundOnResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		sources := allSound(m, 100)
		cfg := feed(sources)
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		expect(t, s, 1, 50)
		point, ok := s.Point()
		require.True(t, ok)
		assert.EqualValues(t, 500, point.Position)
		s.Close()

		sources["org2"], sources["org4"] = forked(100, 40), forked(100, 40) // one too many, had they been trusted before
		cfg.Resume = &point
		s, err = NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		expect(t, s, 51, 100)
		expectEnd(t, s)
		s.Close()

		for name := range sources {
			sources[name] = forked(100, 40)
		}
		for name := range sources {
			require.NoError(t, m.ClearDissent(name))
		}
		s, err = NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		_, err = s.Recv()
		var none *NoQuorumError
		require.ErrorAs(t, err, &none)
		assert.GreaterOrEqual(t, len(none.Verdict.Names(OutcomeDissenting)), 3)
		require.ErrorContains(t, err, "dissenting (fork): at 500")
		s.Close()
	})
}

func TestAThresholdThatCannotBeReachedIsAnErrorAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		sources := map[string]source{}
		for i, x := range m.List() {
			sources[x.Name] = spoiled(100, func(_ context.Context, e item, _ func() (item, error)) (item, error) {
				if e.at == 200 {
					e.key = fmt.Sprint(i)
				}
				return e, nil
			})
		}
		began := time.Now()
		s, err := NewStream(t.Context(), m, feed(sources))
		require.NoError(t, err)
		defer s.Close()
		expect(t, s, 1, 19)
		for range 2 {
			_, err = s.Recv()
			var none *NoQuorumError
			require.ErrorAs(t, err, &none)
			assert.Len(t, none.Verdict.Names(OutcomeDissenting), 3)
			assert.Len(t, none.Verdict.Names(OutcomeAgreed), 1)
		}
		assert.Less(t, time.Since(began), time.Second)
		events := m.Events()
		assert.Equal(t, EventAgreementLost, events[len(events)-1].Kind)
		assert.True(t, m.Status().Lost)
	})
}

func TestAMemberThatIsExcludedIsUsedAgainOnceItIsCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		sources := allSound(m, 1_000)
		sources["org1"] = forked(1_000, 10)
		cfg := feed(sources)
		cfg.Margin = 2
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		synctest.Wait()
		expect(t, s, 1, 20)
		assert.NotContains(t, s.Subscribed(), "org1")
		time.Sleep(5 * time.Second)
		assert.NotContains(t, s.Subscribed(), "org1")
		require.NoError(t, m.ClearDissent("org1"))
		synctest.Wait()
		expect(t, s, 21, 30) // it contradicts again
		time.Sleep(time.Second)
		assert.NotContains(t, s.Subscribed(), "org1")
		assert.Len(t, m.Events(), 3)
	})
}

func TestAMemberThatLagsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 100_000
		m := newMembers(t, 4)
		paced := func(d time.Duration) source {
			return spoiled(events, func(ctx context.Context, e item, _ func() (item, error)) (item, error) {
				return e, wait(ctx, d)
			})
		}
		sources := map[string]source{"org1": paced(time.Second), "org2": paced(time.Second), "org3": paced(time.Second), "org4": paced(time.Second)}
		var slow atomic.Value // the name of the first one
		cfg := feed(sources)
		open := cfg.Open
		cfg.Open = func(ctx context.Context, x Member, from *int64) (Receiver[item], error) {
			slow.CompareAndSwap(nil, x.Name)
			if x.Name == slow.Load() {
				return receiver(paced(time.Minute)(ctx, 1+int(max(0, deref(from)/10-1)))), nil
			}
			return open(ctx, x, from)
		}
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		began := time.Now()
		expect(t, s, 1, 119)
		assert.Contains(t, s.Subscribed(), slow.Load(), "by count, but not by time")
		expect(t, s, 120, 150)
		assert.NotContains(t, s.Subscribed(), slow.Load())
		assert.Less(t, time.Since(began), 160*time.Second, "it held up nobody")
		require.NotEmpty(t, m.Events())
		assert.Contains(t, m.Events()[0].String(), fmt.Sprintf(`replaced: member %q (lagging): `, slow.Load()))
	})
}

func deref(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

// A consumer that does not read holds the members' streams back, and memory is bounded.
func TestASlowConsumerHoldsTheMembersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		var sent atomic.Int64
		big := spoiled(1_000_000, func(_ context.Context, e item, _ func() (item, error)) (item, error) {
			sent.Add(1)
			e.key += strings.Repeat("x", 1000)
			return e, nil
		})
		sources := map[string]source{}
		for _, x := range m.List() {
			sources[x.Name] = big
		}
		cfg := feed(sources)
		cfg.Buffer = 32
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		synctest.Wait()
		assert.LessOrEqual(t, sent.Load(), int64(3*(32+1)))
		for range 1000 {
			_, err := s.Recv()
			require.NoError(t, err)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 10_000 {
			_, err := s.Recv()
			require.NoError(t, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(4<<20), "bytes more after 10,000 events of 1 kB")
	})
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cfg := feed(map[string]source{}) // no member can be reached
		s, err := NewStream(ctx, m, cfg)
		require.NoError(t, err)
		_, err = s.Recv()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		s.Close()
		assert.Contains(t, m.Status().Members[0].LastError, "broken")
	})
}

func TestAStreamFollowsTheListOfMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		sources := map[string]source{}
		for _, x := range names(8) {
			sources[x.Name] = sound(1_000)
		}
		s, err := NewStream(t.Context(), m, feed(sources))
		require.NoError(t, err)
		defer s.Close()
		expect(t, s, 1, 10)
		require.NoError(t, m.Update(names(8)[4:]))
		synctest.Wait()
		expect(t, s, 11, 100)
		for _, name := range s.Subscribed() {
			assert.Greater(t, name, "org4")
		}
	})
}

func TestFewerMembersNeedFewerToAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 7)
		hang := func(ctx context.Context, _ int) func() (item, error) {
			return func() (item, error) {
				<-ctx.Done()
				return item{}, ctx.Err()
			}
		}
		sources := map[string]source{}
		for i, x := range m.List() {
			if sources[x.Name] = hang; i < 2 {
				sources[x.Name] = sound(10)
			}
		}
		s, err := NewStream(t.Context(), m, feed(sources))
		require.NoError(t, err)
		defer s.Close()
		began := time.Now()
		time.AfterFunc(time.Minute, func() { assert.NoError(t, m.Update(names(4))) })
		expect(t, s, 1, 10)
		assert.GreaterOrEqual(t, time.Since(began), time.Minute)
		expectEnd(t, s)
	})
}

func TestSpareSubscriptionsAreDroppedAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 7)
		begin := make(chan struct{})
		late := spoiled(1_000, func(ctx context.Context, e item, _ func() (item, error)) (item, error) {
			if e.at == 50 {
				select {
				case <-begin:
				case <-ctx.Done():
				}
			}
			return e, wait(ctx, time.Second/2)
		})
		sources := map[string]source{}
		var first atomic.Int32
		cfg := feed(sources)
		cfg.Open = func(ctx context.Context, _ Member, from *int64) (Receiver[item], error) {
			if first.Add(1) == 1 { // one alone goes on
				return receiver(sound(1_000)(ctx, 1)), nil
			}
			return receiver(late(ctx, 1+int(max(0, deref(from)/10-1)))), nil
		}
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		expect(t, s, 1, 4)
		time.Sleep(5 * time.Second)
		assert.Len(t, s.Subscribed(), 7, "one member has an event that the others do not have: more are asked")
		close(begin)
		expect(t, s, 5, 200)
		assert.Len(t, s.Subscribed(), 5)
	})
}

// An Open that returns neither a stream nor an error has failed.
func TestAStreamThatIsNilIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		cfg := feed(allSound(m, 50))
		open := cfg.Open
		cfg.Open = func(ctx context.Context, x Member, from *int64) (Receiver[item], error) {
			switch x.Name {
			case "org1":
				return nil, nil //nolint:nilnil // that is the mistake
			case "org2":
				return receiver(nil), nil
			}
			return open(ctx, x, from)
		}
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		expect(t, s, 1, 50)
		expectEnd(t, s)
	})
}

func TestABadStreamConfigIsRefused(t *testing.T) {
	m := newMembers(t, 4)
	for want, change := range map[string]func(*StreamConfig[item, int64]){
		"open, position or key: nil": func(c *StreamConfig[item, int64]) { c.Open = nil },
		"margin -1":                  func(c *StreamConfig[item, int64]) { c.Margin = -1 },
		"buffer -1":                  func(c *StreamConfig[item, int64]) { c.Buffer = -1 },
		"lag time 5ns: want":         func(c *StreamConfig[item, int64]) { c.LagTime = 5 },
		"stall after 5ns: want":      func(c *StreamConfig[item, int64]) { c.StallAfter = 5 },
		"agree 5":                    func(c *StreamConfig[item, int64]) { c.Agree = 5 },
		"resume: key of 2":           func(c *StreamConfig[item, int64]) { c.Resume = &Point[int64]{Key: "ab"} },
		"resume: key of 64":          func(c *StreamConfig[item, int64]) { c.Resume = &Point[int64]{Key: strings.Repeat("x", 64)} },
	} {
		cfg := feed(nil)
		change(&cfg)
		_, err := NewStream(t.Context(), m, cfg)
		assert.ErrorContains(t, err, want)
	}
}
