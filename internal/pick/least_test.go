package pick

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

// newConns returns n eligible connections of endpoints named a, b and so on.
func newConns(room *Room, n int) []*Conn {
	conns := make([]*Conn, n)
	for i := range conns {
		name := string(rune('a' + i))
		conns[i] = new(Conn)
		conns[i].Init(room, owner{}, name, name+":1", false)
		conns[i].Use(&named{name: name})
		conns[i].SetEligible(true)
	}
	return conns
}

// named is a SubConn with a name.
type named struct {
	balancer.SubConn

	name string
}

// leastLoad is a simulation of calls in fake time.
type leastLoad struct {
	t      *testing.T
	picker *Picker
	// serve returns how long a call takes on an endpoint, and its error.
	serve func(name string) (time.Duration, error)
	// records makes each call have a record.
	records bool

	mu    sync.Mutex
	calls map[string]int
	wg    sync.WaitGroup
}

func newLeastLoad(t *testing.T, room *Room, conns []*Conn, weights []int, serve func(string) (time.Duration, error)) *leastLoad {
	t.Helper()
	room.EjectAfter(1 << 20)
	return &leastLoad{
		t: t, picker: NewPicker(room, RowOf(conns), weights, Snapshot{Least: true}), serve: serve, calls: map[string]int{},
	}
}

// run makes calls for d, with this pause between them, and returns how many each
// endpoint got.
func (l *leastLoad) run(d, pause time.Duration) map[string]int {
	l.calls = map[string]int{}
	for range int(d / pause) {
		ctx := context.Background()
		if l.records {
			ctx = attempt.NewContext(ctx, &attempt.Record{Rescuable: true})
		}
		r, err := l.picker.Pick(balancer.PickInfo{Ctx: ctx})
		require.NoError(l.t, err)
		name := r.SubConn.(*named).name
		l.mu.Lock()
		l.calls[name]++
		l.mu.Unlock()
		took, err := l.serve(name)
		l.wg.Go(func() {
			time.Sleep(took)
			r.Done(balancer.DoneInfo{Err: err, BytesSent: true, BytesReceived: true})
		})
		time.Sleep(pause)
	}
	l.wg.Wait()
	return l.calls
}

func usual(string) (time.Duration, error) { return 5 * time.Millisecond, nil }

func TestEqualEndpointsGetEqualShares(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7} {
		synctest.Test(t, func(t *testing.T) {
			room := NewRoom(nil)
			l := newLeastLoad(t, room, newConns(room, n), nil, usual)
			for name, got := range l.run(30*time.Second, 2*time.Millisecond) {
				assert.InEpsilon(t, 15000/n, got, 0.1, "%s of %d", name, n)
			}
		})
	}
}

func TestASlowEndpointGetsFewCalls(t *testing.T) {
	for _, records := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			room := NewRoom(nil)
			slow := 5 * time.Millisecond
			l := newLeastLoad(t, room, newConns(room, 3), nil, func(name string) (time.Duration, error) {
				if name == "b" {
					return slow, nil
				}
				return usual(name)
			})
			l.records = records
			l.run(5*time.Second, time.Millisecond)
			slow = 50 * time.Millisecond
			assert.Less(t, l.run(30*time.Second, time.Millisecond)["b"], 150, "of 30,000 calls")
			slow = 5 * time.Millisecond
			l.run(30*time.Second, time.Millisecond)
			assert.Greater(t, l.run(10*time.Second, time.Millisecond)["b"], 2500, "of 10,000, once it is as fast as the others again")
		})
	}
}

func TestAnEndpointThatFailsFastAttractsNoCalls(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.Internal} {
		synctest.Test(t, func(t *testing.T) {
			room := NewRoom(nil)
			l := newLeastLoad(t, room, newConns(room, 3), nil, func(name string) (time.Duration, error) {
				if name == "b" {
					return 10 * time.Microsecond, status.Error(code, "")
				}
				return usual(name)
			})
			assert.Less(t, l.run(30*time.Second, time.Millisecond)["b"], 60, "of 30,000 calls")
		})
	}
}

// Such an error may be about the request, but no call is answered otherwise.
func TestAnEndpointThatAnswersOnlyErrorsAttractsNoCalls(t *testing.T) {
	for _, code := range []codes.Code{
		codes.Unimplemented, codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.Aborted, codes.DeadlineExceeded, codes.Canceled, 99,
	} {
		synctest.Test(t, func(t *testing.T) {
			room := NewRoom(nil)
			l := newLeastLoad(t, room, newConns(room, 3), nil, func(name string) (time.Duration, error) {
				if name == "b" {
					return 10 * time.Microsecond, status.Error(code, "")
				}
				return usual(name)
			})
			l.records = true
			l.run(2*time.Second, time.Millisecond)
			assert.Less(t, l.run(10*time.Second, time.Millisecond)["b"], 40, "%v: of 10,000 calls", code)
		})
	}
}

// One of several methods is denied, say, on one endpoint alone.
func TestAnEndpointThatAnswersManyErrorsAttractsNoCalls(t *testing.T) {
	for _, percent := range []int{20, 50, 70, 95} {
		synctest.Test(t, func(t *testing.T) {
			room := NewRoom(nil)
			l := newLeastLoad(t, room, newConns(room, 3), nil, func(name string) (time.Duration, error) {
				if name == "b" && rand.IntN(100) < percent {
					return 10 * time.Microsecond, status.Error(codes.PermissionDenied, "")
				}
				return usual(name)
			})
			l.records = true
			l.run(2*time.Second, time.Millisecond)
			assert.Less(t, l.run(10*time.Second, time.Millisecond)["b"], 3600, "of 10,000 calls, with %d %% errors", percent)
		})
	}
}

// Errors about requests come from all endpoints, so they change no share.
func TestErrorsAboutRequestsChangeNoShare(t *testing.T) {
	for _, percent := range []int{50, 90, 100} {
		synctest.Test(t, func(t *testing.T) {
			room := NewRoom(nil)
			l := newLeastLoad(t, room, newConns(room, 3), nil, func(name string) (time.Duration, error) {
				if rand.IntN(100) < percent {
					return time.Millisecond, status.Error(codes.NotFound, "")
				}
				return usual(name)
			})
			l.records = true
			for name, got := range l.run(30*time.Second, 2*time.Millisecond) {
				assert.InEpsilon(t, 5000, got, 0.15, "%s with %d %% errors", name, percent)
			}
		})
	}
}

func TestAnEndpointThatAnswersNothingGetsHardlyAnyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewRoom(nil)
		room.SlowStart(time.Millisecond)
		l := newLeastLoad(t, room, newConns(room, 3), nil, func(name string) (time.Duration, error) {
			if name == "b" {
				return 2 * time.Second, status.Error(codes.DeadlineExceeded, "")
			}
			return usual(name)
		})
		assert.Less(t, l.run(30*time.Second, time.Millisecond)["b"], 100, "of 30,000 calls")
	})
}

func TestSharesFollowWeights(t *testing.T) {
	for name, pause := range map[string]time.Duration{"idle": 10 * time.Millisecond, "busy": 200 * time.Microsecond} {
		synctest.Test(t, func(t *testing.T) {
			room := NewRoom(nil)
			l := newLeastLoad(t, room, newConns(room, 3), []int{1, 2, 3}, usual)
			got := l.run(10*time.Second, pause)
			n := float64(got["a"] + got["b"] + got["c"])
			assert.InDelta(t, 1.0/6, float64(got["a"])/n, 0.06, "%s: %v", name, got)
			assert.InDelta(t, 3.0/6, float64(got["c"])/n, 0.08, "%s: %v", name, got)
		})
	}
}

func TestANewEndpointRampsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewRoom(nil)
		room.SlowStart(10 * time.Second)
		conns := newConns(room, 3)
		conns[2].SetEligible(false)
		l := newLeastLoad(t, room, conns, nil, usual)
		assert.Zero(t, l.run(20*time.Second, time.Millisecond)["c"], "it is not eligible")
		conns[2].SetEligible(true)
		shares := make([]float64, 12)
		for i := range shares {
			shares[i] = float64(l.run(time.Second, time.Millisecond)["c"]) / 1000
		}
		assert.Less(t, shares[0], 0.12, "%.2f", shares)
		assert.Greater(t, shares[5], shares[0], "%.2f", shares)
		assert.InDelta(t, 1.0/3, shares[11], 0.08, "%.2f", shares)
	})
}

func TestEndpointsThatStartTogetherDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewRoom(nil)
		room.SlowStart(10 * time.Second)
		l := newLeastLoad(t, room, newConns(room, 2), nil, usual)
		got := l.run(time.Second, time.Millisecond)
		assert.InDelta(t, 500, got["a"], 100)
	})
}

func TestAStreamIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := NewRoom(nil)
		conns := newConns(room, 1)
		l := newLeastLoad(t, room, conns, nil, usual)
		end := func(ctx context.Context, after time.Duration, err error) float64 {
			r, pickErr := l.picker.Pick(balancer.PickInfo{Ctx: ctx})
			require.NoError(t, pickErr)
			time.Sleep(after)
			r.Done(balancer.DoneInfo{Err: err, BytesSent: true, BytesReceived: true})
			return estimate(conns[0].load.estimate.Load()).latency()
		}
		assert.InDelta(t, 5*millisecond, end(context.Background(), 5*time.Millisecond, nil), 10)
		stream := attempt.NewContext(context.Background(), &attempt.Record{Stream: true})
		assert.InDelta(t, 5*millisecond, end(stream, time.Hour, nil), 10)
		assert.InDelta(t, 5*millisecond, end(context.Background(), time.Hour, nil), 10, "it must be one")
		assert.InDelta(t, float64(7*time.Second), end(context.Background(), 7*time.Second, nil), 1e3)
		assert.Less(t, end(stream, time.Hour, status.Error(codes.Unavailable, "")), 7.1*float64(time.Second), "not as long as it lasted")
	})
}

func TestACallThatIsRetriedGoesToAnEndpointThatItHasNotTried(t *testing.T) {
	room := NewRoom(nil)
	conns := newConns(room, 4)
	conns[3].SetEligible(false)
	p := NewPicker(room, RowOf(conns), nil, Snapshot{Least: true})
	for range 100 {
		r := &attempt.Record{Rescuable: true}
		ctx := attempt.NewContext(context.Background(), r)
		var names []string
		for range 4 {
			got, err := p.Pick(balancer.PickInfo{Ctx: ctx})
			require.NoError(t, err)
			got.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, ""), BytesSent: true})
			names = append(names, got.SubConn.(*named).name)
		}
		assert.ElementsMatch(t, []string{"a", "b", "c"}, names[:3])
		assert.NotEqual(t, "d", names[3])
	}
}

// A picker whose connections are no longer eligible picks in another zone, and makes a
// call wait for the next snapshot if there is none.
func TestLeastLoadedPicksSkipConnectionsThatAreNotEligible(t *testing.T) {
	for n := 1; n <= 4; n++ {
		room := NewRoom(nil)
		conns := newConns(room, n+1)
		spare := conns[n]
		p := NewPicker(room, RowOf(conns[:n]), nil, Snapshot{Least: true, Spare: []*Conn{spare}})
		for i, c := range conns[:n] {
			c.SetEligible(false)
			for range 20 {
				r, err := p.Pick(balancer.PickInfo{Ctx: context.Background()})
				require.NoError(t, err)
				assert.Greater(t, r.SubConn.(*named).name, conns[i].name, "n=%d", n)
				r.Done(balancer.DoneInfo{})
			}
		}
		spare.SetEligible(false)
		_, err := p.Pick(balancer.PickInfo{Ctx: context.Background()})
		require.ErrorIs(t, err, balancer.ErrNoSubConnAvailable)
		p.Open = true
		r, err := p.Pick(balancer.PickInfo{Ctx: context.Background()})
		require.NoError(t, err, "whatever their health")
		r.Done(balancer.DoneInfo{})
	}
}

func TestNoPickAllocates(t *testing.T) {
	if testkit.RaceDetector {
		t.Skip("with the race detector a sync.Pool forgets on purpose")
	}
	background := context.Background()
	record := new(attempt.Record)
	for _, least := range []bool{false, true} {
		for name, r := range map[string]*attempt.Record{"without a record": nil, "with a record": record} {
			t.Run(fmt.Sprintf("least %v, %s", least, name), func(t *testing.T) {
				room := NewRoom(nil)
				room.EjectAfter(5)
				p := NewPicker(room, RowOf(newConns(room, 3)), []int{1, 2, 3}, Snapshot{Least: least})
				assert.Zero(t, testing.AllocsPerRun(2000, func() {
					ctx := background
					if r != nil {
						*r = attempt.Record{Rescuable: true}
						ctx = attempt.NewContext(background, r)
					}
					result, err := p.Pick(balancer.PickInfo{Ctx: ctx})
					if err != nil {
						t.Fatal(err)
					}
					result.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
				}))
			})
		}
	}
}

// Calls and their ends on several goroutines leave nothing behind.
func TestCallsInFlightAreForgottenAtTheirEnd(t *testing.T) {
	room := NewRoom(nil)
	room.EjectAfter(1 << 20)
	conns := newConns(room, 3)
	p := NewPicker(room, RowOf(conns), nil, Snapshot{Least: true})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var open []balancer.PickResult
			for i := range 2000 {
				ctx := attempt.NewContext(context.Background(), &attempt.Record{Rescuable: i%3 == 0, Movable: i%3 == 1})
				r, err := p.Pick(balancer.PickInfo{Ctx: ctx})
				if err != nil {
					t.Error(err)
					return
				}
				if open = append(open, r); len(open) > i%7 {
					open[0].Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
					open = open[1:]
				}
			}
			for _, r := range open {
				r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
			}
		})
	}
	for range 100 {
		conns[0].Rescue()
	}
	wg.Wait()
	for _, c := range conns {
		assert.Zero(t, c.Counts().InFlight)
		for _, all := range []*records{&c.rescuable, &c.movable} {
			assert.Nil(t, all.first)
			assert.Zero(t, all.n)
		}
	}
}
