package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/report"
)

// The whole of a link, with its endpoint, is tested in package endpointset. These tests
// show what a link and its owner owe each other.

// fixture is a link with an owner that notes what it is told, and a channel.
type fixture struct {
	balancer.ClientConn // not used

	t    *testing.T
	in   *scope.Scope
	room *pick.Room
	link *Link

	mu     sync.Mutex // guards what follows
	subs   []*subConn
	refuse error
	closes int

	// The scope's lock guards what follows.
	told     []string
	troubled bool
}

type subConn struct {
	balancer.SubConn // not used

	address  string
	listener func(balancer.SubConnState)
	connects atomic.Int64
	shut     atomic.Bool
}

func (s *subConn) Connect()  { s.connects.Add(1) }
func (s *subConn) Shutdown() { s.shut.Store(true) }

func (f *fixture) NewSubConn(addrs []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	s := &subConn{address: addrs[0].Addr, listener: o.StateListener}
	f.subs = append(f.subs, s)
	return s, nil
}

func (f *fixture) Attempt(address resolver.Address) *Conn {
	c := new(Conn)
	c.Init(f.room, nil, "a", address.Addr, false)
	return c
}

func (f *fixture) note(what string) { f.told = append(f.told, what) }
func (f *fixture) Up(*Conn)         { f.note("up") }
func (f *fixture) Connected(*Conn)  { f.note("connected") }
func (f *fixture) Troubled() bool   { return f.troubled }
func (f *fixture) Retired(_ *Conn, l bool) {
	if l {
		f.note("lost")
	} else {
		f.note("given up")
	}
}

func (f *fixture) Apply(troubled bool) {
	f.troubled = f.troubled || troubled
	if troubled {
		f.note("troubled")
	} else {
		f.note("applied")
	}
}

// under runs what uses the link, and waits for what follows from it.
func (f *fixture) under(do func()) {
	f.in.Lock()
	do()
	f.in.Unlock()
	synctest.Wait()
}

// tells expects what the owner has been told since the last time.
func (f *fixture) tells(want ...string) {
	f.t.Helper()
	f.under(func() {
		assert.Equal(f.t, want, f.told)
		f.told = nil
	})
}

// reports reports a state of the i-th SubConn, as grpc does.
func (f *fixture) reports(i int, state connectivity.State, err error) {
	f.subs[i].listener(balancer.SubConnState{ConnectivityState: state, ConnectionError: err})
	synctest.Wait()
}

func inBubble(t *testing.T, addrs []string, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{t: t, in: scope.New(), room: pick.NewRoom(nil)}
		env := &Env{
			Scope: f.in, Channel: f, Room: f.room, Fresh: func() bool { return false },
			Close: func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.closes++
			},
			Dialer: func() healthcheck.DialFunc {
				return func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
			},
		}
		var list []resolver.Address
		for _, a := range addrs {
			list = append(list, resolver.Address{Addr: a})
		}
		f.link = New(env, f, list)
		defer func() {
			f.under(f.in.Close)
			f.in.EndCalls()
			f.in.Wait(context.WithoutCancel(t.Context()))
		}()
		test(t, f)
	})
}

func TestAnOwnerHasTheConnectionBeforeItJudges(t *testing.T) {
	inBubble(t, []string{"a:1"}, func(t *testing.T, f *fixture) {
		f.under(f.link.Try)
		require.Len(t, f.subs, 1)
		f.tells("applied")
		f.reports(0, connectivity.Ready, nil)
		f.tells("up", "applied", "connected")
		f.under(func() {
			assert.Equal(t, machine.Ready, f.link.Phase())
			assert.False(t, f.link.Timed())
			assert.Len(t, f.link.Conns(), 1)
			f.link.Prove()
		})
		f.reports(0, connectivity.Idle, errors.New("reset"))
		f.tells("lost", "applied")
		assert.EqualValues(t, 2, f.subs[0].connects.Load(), "a connection that has proven itself is replaced at once, by the same SubConn")
		f.under(f.link.Close)
		f.tells("applied")
		assert.True(t, f.subs[0].shut.Load())
	})
}

func TestAConnectionThatIsGivenUpIsNotLost(t *testing.T) {
	inBubble(t, []string{"a:1"}, func(t *testing.T, f *fixture) {
		f.under(f.link.Try)
		f.reports(0, connectivity.Ready, nil)
		f.tells("applied", "up", "applied", "connected")
		f.under(f.link.Close)
		f.tells("given up", "applied")
		f.under(f.link.Try)
		f.tells("applied")
		assert.EqualValues(t, 1, f.subs[0].connects.Load(), "a closed link stays closed")
	})
}

func TestAFailedAttemptIsTroubleAndItsPauseIsKnockedOn(t *testing.T) {
	inBubble(t, []string{"a:1"}, func(t *testing.T, f *fixture) {
		f.under(f.link.Try)
		f.reports(0, connectivity.TransientFailure, syscall.ECONNREFUSED)
		f.reports(0, connectivity.Idle, nil)
		f.tells("applied", "troubled")
		f.under(func() {
			assert.Equal(t, machine.Waiting, f.link.Phase())
			assert.Equal(t, report.ReasonConnectFailed, f.link.Why().Reason)
			assert.True(t, f.link.Refused())
			assert.True(t, f.link.Timed())
			assert.LessOrEqual(t, time.Until(f.link.NextTry()), 2*MinPause)
			f.link.Knock() // is refused, which is no attempt
		})
		assert.EqualValues(t, 1, f.subs[0].connects.Load())
		time.Sleep(2 * MinPause)
		synctest.Wait()
		assert.EqualValues(t, 2, f.subs[0].connects.Load())
	})
}

func TestTheFirstAddressThatAnswersWins(t *testing.T) {
	inBubble(t, []string{"a:1", "b:1"}, func(t *testing.T, f *fixture) {
		f.under(f.link.Try)
		time.Sleep(machine.RaceDelay)
		synctest.Wait()
		require.Len(t, f.subs, 2)
		f.reports(1, connectivity.Ready, nil)
		assert.True(t, f.subs[0].shut.Load())
		f.under(func() {
			require.Len(t, f.link.Conns(), 1)
			assert.Equal(t, "b:1", f.link.Conns()[0].Address.Addr)
			f.link.Readdress([]resolver.Address{{Addr: "c:1"}})
		})
		assert.True(t, f.subs[1].shut.Load(), "an address that has left has no SubConn")
	})
}

func TestASetWhoseChannelRefusesSubConnsIsClosed(t *testing.T) {
	inBubble(t, []string{"a:1"}, func(t *testing.T, f *fixture) {
		f.refuse = errors.New("the channel is closed")
		f.under(f.link.Try)
		f.tells("applied", "applied")
		f.under(func() { assert.Equal(t, "the channel is closed", f.link.Why().Detail) })
		assert.Equal(t, 1, f.closes)
	})
}
