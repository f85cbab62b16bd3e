package endpointset

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/report"
)

// renewing is a set of "a" and "b" in which "a" is being renewed; it gives its old
// SubConn and its new one.
func renewing(t *testing.T, f *fixture) (old, successor *fakeSubConn) {
	t.Helper()
	require.NoError(t, f.push("a", "b"))
	f.up("a", "b")
	old = f.conn("a")
	f.set.Renew("a")
	synctest.Wait()
	live := f.live("a")
	require.Len(t, live, 2)
	require.Same(t, old, live[0])
	checkAccounts(t, f.set)
	return old, live[1]
}

func TestAnEndpointIsRenewedOnceItIsEligibleOnItsNewConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a", "b")
		r, err := f.last().Picker.Pick(pickInfo()) // in flight through it all
		require.NoError(t, err)
		address := r.SubConn.(*fakeSubConn).address.Addr
		old := f.conn(address)
		f.set.Renew(address)
		f.set.Renew(address) // is being renewed already
		synctest.Wait()
		live := f.live(address)
		require.Len(t, live, 2)
		assert.Equal(t, []string{"a", "b"}, f.picked())
		f.server(address).set(hanging())
		live[1].become(connectivity.Ready, nil)
		assert.Equal(t, []string{"a", "b"}, f.picked(), "it has not been probed")
		assert.False(t, old.isShutdown())
		f.server(address).set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a", "b"}, f.picked())
		assert.True(t, old.isShutdown())
		assert.Same(t, live[1], f.conn(address))
		checkAccounts(t, f.set)

		assert.Equal(t, []report.TransitionCount{{To: report.StateUnknown, Count: 1}, {To: report.StateHealthy, Reason: report.ReasonServing, Count: 1}},
			f.status(address).Transitions[1:], "to those who look on, it has been healthy all the time")
		counts := f.status(address).Calls
		assert.Equal(t, uint64(1), counts.InFlight, "the call on the old connection may finish")
		r.Done(balancer.DoneInfo{BytesReceived: true})
		time.Sleep(2 * time.Second) // the old connection is looked at once more
		checkAccounts(t, f.set)
		after := f.status(address).Calls
		assert.Zero(t, after.InFlight)
		assert.Equal(t, counts.Picked, after.Picked, "the accounts go on")
		assert.Equal(t, counts.Heard+1, after.Heard)
	})
}

func TestAnEndpointIsNotRenewedIfItsNewConnectionIsNoBetter(t *testing.T) {
	for name, fail := range map[string]func(f *fixture, successor *fakeSubConn){
		"refused": func(f *fixture, sc *fakeSubConn) { sc.become(connectivity.TransientFailure, errRefused) },
		"not serving": func(f *fixture, sc *fakeSubConn) {
			f.server("a").set(notServing())
			sc.become(connectivity.Ready, nil)
			synctest.Wait()
			f.server("a").set(serving())
		},
		"never decided": func(f *fixture, sc *fakeSubConn) {
			sc.become(connectivity.Connecting, nil)
			time.Sleep(machine.MostProving + link.ConnectTimeout)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				old, successor := renewing(t, f)
				fail(f, successor)
				synctest.Wait()
				assert.True(t, successor.isShutdown())
				assert.False(t, old.isShutdown())
				checkAccounts(t, f.set)
				time.Sleep(3 * time.Second)
				assert.Equal(t, []string{"a", "b"}, f.picked())
				f.set.Renew("a")
				synctest.Wait()
				assert.Len(t, f.live("a"), 2, "it may be tried again")
			})
		})
	}
}

func TestWhatIsNotConnectedOrDrainedIsNotRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.set.Renew("a") // of no list
		require.NoError(t, f.push("a", "b"))
		f.set.Renew("a") // connects anyway
		f.up("b")
		require.NoError(t, f.set.SetDrained("b", true))
		f.set.Renew("b")
		synctest.Wait()
		assert.Len(t, f.live(), 2)
		assert.Empty(t, f.set.Connected(), "nothing is known of where the connections lead")
	})
}

func TestARenewalEndsWithADrainAnotherListAndTheEnd(t *testing.T) {
	for name, end := range map[string]func(f *fixture) error{
		"drain": func(f *fixture) error { return f.set.SetDrained("a", true) },
		"list":  func(f *fixture) error { return f.push("a", "b", "c") },
		"end":   func(f *fixture) error { f.close(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				_, successor := renewing(t, f)
				require.NoError(t, end(f))
				synctest.Wait()
				assert.True(t, successor.isShutdown())
				time.Sleep(2 * machine.MostProving) // nothing comes of it later
			})
		})
	}
}

// To the choice of the active it is the same endpoint, so that nothing is switched.
func TestARenewedActiveIsTheActive(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		old, successor := renewing(t, f)
		assert.Equal(t, []string{"a"}, f.picked())
		before := f.last().Picker
		successor.become(connectivity.Ready, nil)
		assert.Equal(t, []string{"a"}, f.picked())
		assert.True(t, old.isShutdown())
		_, err := before.Pick(pickInfo())
		assert.Equal(t, balancer.ErrNoSubConnAvailable, err, "an old snapshot does not give the old connection")
		checkAccounts(t, f.set)
		assert.Equal(t, []taken{{1, "", "a"}}, f.switches())
		assert.Equal(t, "a", f.set.Status().Failover.Active)

		f.server("a").set(notServing())
		assert.Equal(t, []string{"b"}, f.picked(), "and its health is heeded as before")
		assert.Equal(t, []taken{{1, "", "a"}, {2, "a", "b"}}, f.switches())
	}, activePassive)
}
