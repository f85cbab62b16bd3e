package endpointset

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/report"
)

// enters records how far the attempt on a SubConn has come, as the dialer does.
func (sc *fakeSubConn) enters(phase report.ConnectPhase) { attemptOn(sc).Progress.Enter(phase) }

var errPending = fmt.Errorf("lookup name: %w", names.ErrPending)

// The first of two name servers may be dead, which costs five seconds for each look-up.
// grpc's own channels let calls wait meanwhile.
func TestASlowFirstLookUpIsNoEvidenceAgainstAnEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("name:1"))
		sc := f.conn("name:1")
		sc.become(connectivity.Connecting, nil)
		sc.enters(report.PhaseLookup)
		for range 12 {
			time.Sleep(time.Second)
			require.True(t, f.waits(), "a call fails")
			require.Equal(t, report.StateConnecting, f.status("name:1").State)
		}
		sc.found("10.0.0.1")
		sc.enters(report.PhaseTCP)
		time.Sleep(link.ConnectTimeout - time.Millisecond)
		assert.True(t, f.waits(), "the time to connect begins when the address is known")
		time.Sleep(2 * time.Millisecond)
		assert.Contains(t, f.refusal(), "no connection within 5s: waiting for the TCP connection")
		assert.Equal(t, []string{
			`endpoint "name:1": connecting`,
			`endpoint "name:1": connecting -> unreachable (connect_failed: no connection within 5s: waiting for the TCP connection)`,
		}, f.changesOf("name:1"))
	})
}

func TestAnAttemptThatEndsDuringTheFirstLookUpIsNoEvidence(t *testing.T) {
	for name, test := range map[string]struct {
		rests bool
		then  func(f *fixture)
	}{
		"the look-up succeeds": {false, func(f *fixture) {
			f.up("name:1")
			assert.Equal(f.t, []string{"name:1"}, f.picked())
		}},
		"the look-up fails": {false, func(f *fixture) {
			f.down(errRefused, "name:1")
			assert.Contains(f.t, f.refusal(), "unreachable (connection refused")
		}},
		"grpc pauses": {true, func(f *fixture) {
			f.up("name:1")
			assert.Equal(f.t, []string{"name:1"}, f.picked())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				f.rests = test.rests
				require.NoError(t, f.push("name:1"))
				for range 3 {
					sc := f.conn("name:1")
					sc.become(connectivity.Connecting, nil)
					sc.enters(report.PhaseLookup)
					time.Sleep(link.ConnectTimeout)
					sc.become(connectivity.TransientFailure, errPending)
					require.True(t, f.waits(), "a call fails")
					require.Equal(t, report.StateConnecting, f.status("name:1").State)
					if test.rests {
						time.Sleep(time.Second)
						require.True(t, f.waits(), "a call fails")
						sc.rested()
					}
					f.awaitTry("name:1")
				}
				test.then(f)
			})
		})
	}
}

// grpc bounds an attempt with its look-up, so that little time may be left to connect.
func TestAnAttemptThatFailsAfterASlowLookUpIsMadeAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("name:1"))
		f.conn("name:1").become(connectivity.Connecting, nil)
		f.conn("name:1").enters(report.PhaseLookup)
		time.Sleep(link.ConnectTimeout - time.Millisecond)
		f.conn("name:1").enters(report.PhaseTCP)
		f.down(context.DeadlineExceeded, "name:1")
		assert.True(t, f.waits(), "a call fails")
		f.awaitTry("name:1")
		f.conn("name:1").enters(report.PhaseLookup)
		f.conn("name:1").enters(report.PhaseTCP)
		f.down(errRefused, "name:1")
		assert.Contains(t, f.refusal(), "unreachable (connection refused")
		f.awaitTry("name:1")
		f.conn("name:1").enters(report.PhaseLookup)
		time.Sleep(2 * time.Second)
		f.conn("name:1").enters("") // the look-up has failed
		f.down(errRefused, "name:1")
		assert.True(t, f.status("name:1").NextTry.After(time.Now()), "there is a pause")
	})
}

// What is known against an endpoint is not forgotten because its name is looked up once
// more.
func TestASlowLookUpDoesNotExcuseAnEndpointThatHasFailed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("name:1"))
		f.down(errRefused, "name:1")
		f.awaitTry("name:1")
		f.conn("name:1").enters(report.PhaseLookup)
		assert.Contains(t, f.refusal(), "unreachable")
		f.down(errPending, "name:1")
		assert.Contains(t, f.refusal(), "unreachable")
		assert.Equal(t, report.StateUnreachable, f.status("name:1").State)
		f.awaitTry("name:1")
		f.conn("name:1").enters(report.PhaseLookup)
		time.Sleep(2 * link.ConnectTimeout)
		assert.Contains(t, f.refusal(), "unreachable")
	})
}

// grpc reports nothing of an attempt if the channel has been closed by two goroutines at
// once, even if the name was being looked up.
func TestASetUnderAClosedChannelEndsDuringALookUpToo(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("name:1"))
		sc := f.conn("name:1")
		sc.become(connectivity.Connecting, nil)
		sc.enters(report.PhaseLookup)
		f.mu.Lock()
		f.refuse = true
		f.mu.Unlock()
		time.Sleep(2 * link.ConnectTimeout)
		synctest.Wait()
		f.set.scope.Lock()
		defer f.set.scope.Unlock()
		assert.True(t, f.set.scope.Closed())
	})
}

// grpc ends an attempt that takes too long, and does not notice that this process was
// stopped meanwhile.
func TestAnAttemptThatEndsWhileThisProcessDoesNotRunIsNoEvidence(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		f.conn("a").become(connectivity.Connecting, nil)
		time.Sleep(2 * time.Second)
		f.set.room.Late(1500 * time.Millisecond)
		f.down(net.ErrClosed, "a")
		assert.True(t, f.waits(), "a call fails")
		f.awaitTry("a")
		f.down(errRefused, "a")
		assert.Contains(t, f.refusal(), "unreachable (connection refused", "what fails at once is evidence")
		f.awaitTry("a")
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Equal(t, []string{
			`endpoint "a": connecting`,
			`endpoint "a": connecting -> unreachable (connect_failed: connection refused)`,
		}, f.changesOf("a")[:2])
	})
}
