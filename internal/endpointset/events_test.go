package endpointset

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/report"
)

// lines gives the events about an endpoint, or about none, in short.
func (f *fixture) lines(endpoint string) []string {
	var out []string
	for _, e := range f.set.teller.Events() {
		if e.Endpoint == endpoint {
			out = append(out, fmt.Sprintf("%s -> %s (%s%s)", e.From, e.To, e.Reason, e.Detail))
		}
	}
	return out
}

func TestEachChangeOfAnEndpointIsOneEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		f.server("a").set(notServing())
		f.server("a").set(serving())
		time.Sleep(time.Second)
		require.NoError(t, f.set.SetDrained("b", true))
		require.NoError(t, f.set.SetDrained("b", false))
		f.down(errors.New("reset"), "b")
		require.NoError(t, f.push("a"))
		synctest.Wait()
		assert.Equal(t, []string{
			" -> connecting ()",
			"connecting -> unknown ()",
			"unknown -> healthy (serving)",
			"healthy -> unhealthy (not_serving)",
			"unhealthy -> healthy (serving)",
		}, f.lines("a"))
		assert.Equal(t, []string{
			" -> connecting ()",
			"connecting -> unknown ()",
			"unknown -> healthy (serving)",
			"healthy -> drained (drained)",
			"drained -> healthy (serving)",
			"healthy -> connecting (connection_lostreset)",
			"connecting -> removed ()",
		}, f.lines("b"))
		assert.Equal(t, []string{
			" -> accepted (endpoints: 2, new or changed: 2, removed: 0)",
			" -> accepted (endpoints: 1, new or changed: 0, removed: 1)",
		}, f.lines(""))
		for i, e := range f.set.teller.Events() {
			assert.Equal(t, uint64(i+1), e.Number)
		}
	})
}

// Whoever counts the losses by their reason must not count each one twice.
func TestALostConnectionIsTheReasonOfOneEventOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		f.down(errors.New("reset"), "a")
		f.up("a")
		assert.Equal(t, []string{
			" -> connecting ()",
			"connecting -> unknown ()",
			"unknown -> healthy (serving)",
			"healthy -> connecting (connection_lostreset)",
			"connecting -> unknown ()",
			"unknown -> healthy (serving)",
		}, f.lines("a"))
	})
}

func TestAnEventTellsHowLongTheStateBeforeHadLasted(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.up("a")
		time.Sleep(time.Minute)
		f.server("a").set(notServing())
		synctest.Wait()
		events := f.set.teller.Events()
		last := events[len(events)-1]
		assert.Equal(t, report.EventNoneEligible, last.Kind)
		fall := events[len(events)-2]
		assert.Equal(t, time.Minute, fall.Held)
		assert.Equal(t, `endpoint "a": healthy -> unhealthy (not_serving) after 1m0s`, fall.String())
		got := f.status("a")
		assert.Equal(t, report.StateUnhealthy, got.State)
		assert.Equal(t, fall.At, got.Since)
		assert.Equal(t, fall.Reason, got.Reason)

		time.Sleep(3 * time.Second)
		f.server("a").set(serving())
		time.Sleep(time.Second)
		events = f.set.teller.Events()
		assert.Regexp(t, `^none_eligible: none_eligible -> eligible after 3(\.\d+)?s$`, events[len(events)-1].String())
	})
}

func TestAnEjectionIsAnEventAndSoIsItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		seen := len(f.lines("a"))
		for range 2 * defaultConsecutiveFailures { // every other call is a's
			r, err := f.last().Picker.Pick(pickInfo())
			require.NoError(t, err)
			if r.SubConn == f.conn("a") {
				r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "no"), BytesSent: true})
			}
		}
		synctest.Wait()
		assert.Equal(t, []string{"healthy -> ejected (calls_failing)"}, f.lines("a")[seen:])
		assert.Equal(t, report.StateEjected, f.status("a").State)
		assert.Equal(t, report.ReasonCallsFailing, f.status("a").Reason)
		f.set.scope.Lock()
		f.set.ejections.pardon()
		f.set.scope.Unlock()
		assert.Equal(t, "ejected -> healthy (serving)", f.lines("a")[seen+1])
	})
}

func TestTheEventsEndWithTheSet(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		r := f.set.teller.Follow()
		require.NoError(t, f.push("a"))
		events, missed, err := r.Next(t.Context())
		require.NoError(t, err)
		assert.Len(t, events, 2)
		assert.Zero(t, missed)
		f.set.Close()
		_, _, err = r.Next(t.Context())
		assert.EqualError(t, err, "no more events: closed")
	})
}

// eject has every call on an endpoint fail, until it is ejected.
func (f *fixture) eject(t *testing.T, addr string) {
	t.Helper()
	for range 100 {
		r, err := f.last().Picker.Pick(pickInfo())
		require.NoError(t, err)
		if r.SubConn == f.conn(addr) {
			r.Done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "no"), BytesSent: true})
		} else {
			r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
		}
		synctest.Wait()
		if f.status(addr).State == report.StateEjected {
			return
		}
	}
	t.Error("it is not ejected")
}

// The end of the connection ends the ejection too. That is one cause, so one event,
// with the reason of now.
func TestAnEjectedEndpointThatLosesItsConnectionMakesOneEvent(t *testing.T) {
	for name, c := range map[string]struct {
		state connectivity.State
		err   error
		want  string
	}{
		"it breaks": {connectivity.TransientFailure, errors.New("reset"), "ejected -> connecting (connection_lostreset)"},
		"GOAWAY":    {connectivity.Idle, nil, "ejected -> connecting (connection_lost)"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a", "b", "c"))
				f.up("b", "c")
				f.down(errRefused, "a") // the reason of an earlier failure is not that of a later one
				f.awaitTry("a")
				f.up("a")
				time.Sleep(time.Hour)
				f.eject(t, "a")
				before := len(f.lines("a"))
				f.conn("a").become(c.state, c.err)
				synctest.Wait()
				assert.Equal(t, []string{c.want}, f.lines("a")[before:])
				f.up("a")
				assert.Equal(t, []string{"connecting -> unknown ()", "unknown -> healthy (serving)"}, f.lines("a")[before+1:])
			})
		})
	}
}

// Whatever ends an ejection, it is one event.
func TestAnEjectedEndpointThatTurnsUnhealthyMakesOneEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b", "c")
		f.eject(t, "a")
		before := len(f.lines("a"))
		f.server("a").set(notServing())
		synctest.Wait()
		assert.Equal(t, []string{"ejected -> unhealthy (not_serving)"}, f.lines("a")[before:])
		require.NoError(t, f.set.SetDrained("a", true))
		assert.Equal(t, []string{"unhealthy -> drained (drained)"}, f.lines("a")[before+1:])
		f.down(errors.New("reset"), "a")
		assert.Len(t, f.lines("a"), before+2, "it is drained, connected or not")
	})
}
