//go:build unix

package proctest

import (
	"syscall"
	"testing"
	"time"

	"github.com/cantonlb/cantonlb/lease"
)

// Setup is a store to test.
type Setup struct {
	// Address is what the open function of Child is given.
	Address string
	// TTL of the leases.
	TTL time.Duration
	// Granularity is how much coarser the store counts.
	Granularity time.Duration
	// StopStore stops the store, and StartStore starts it again. Nil if that is not to
	// be tested.
	StopStore, StartStore func(t testing.TB)
}

// slack is what a takeover may take beyond its bound on a machine that is busy.
const slack = 10 * time.Second

// Faults lets each fault happen to a holder, while another candidate watches, and checks
// that the lease passes on within TTL, a renewal's period and Granularity, and that no
// action is taken outside of it. Each fault happens to a lease of its own, so those of
// candidates happen at the same time.
func Faults(t *testing.T, s Setup) {
	t.Helper()
	t.Run("candidates", func(t *testing.T) { candidateFaults(t, s) })
	if s.StopStore != nil {
		storeFaults(t, s)
	}
}

func candidateFaults(t *testing.T, s Setup) {
	t.Helper()
	bound := s.TTL + s.TTL/3 + s.Granularity
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		l, holder, other := pair(t, s)
		began := lease.System()
		holder.Kill()
		l.takeover(t, began, bound, holder, other)
	})
	t.Run("ended in good order", func(t *testing.T) {
		t.Parallel()
		l, holder, other := pair(t, s)
		began := lease.System()
		holder.Signal(syscall.SIGTERM)
		l.takeover(t, began, 0, holder, other)
	})
	t.Run("stopped and continued", func(t *testing.T) {
		t.Parallel()
		l, holder, other := pair(t, s)
		began := lease.System()
		holder.Signal(syscall.SIGSTOP)
		l.takeover(t, began, bound, holder, other)
		before := l.Acts(other)
		holder.Signal(syscall.SIGCONT)
		l.active(t, other, before+100)
		// The one that was stopped is a candidate again.
		other.Signal(syscall.SIGTERM)
		if again, _ := l.AwaitHolder(t, other); again != holder {
			t.Error("the lease went to a process that does not exist")
		}
		l.Judge(t)
	})
}

func storeFaults(t *testing.T, s Setup) {
	t.Helper()
	t.Run("store restarted", func(t *testing.T) {
		l, holder, _ := pair(t, s)
		s.StopStore(t)
		s.StartStore(t)
		l.active(t, holder, l.Acts(holder)+100)
		l.Judge(t)
	})
	t.Run("store stopped for longer than the TTL", func(t *testing.T) {
		l, holder, _ := pair(t, s)
		s.StopStore(t)
		began := lease.System()
		silent := time.NewTimer(s.TTL + s.Granularity)
		<-silent.C
		if last := l.last(holder); last-began > s.TTL {
			t.Errorf("an action %v after the store was stopped", last-began)
		}
		s.StartStore(t)
		next := l.awaitStarts(t, 2)
		l.active(t, next, l.Acts(next)+100)
		l.Judge(t)
	})
}

// pair starts two candidates, of which one holds the lease and the other watches.
func pair(t *testing.T, s Setup) (l *Ledger, holder, other *Candidate) {
	t.Helper()
	l = NewLedger(s.Address, s.TTL)
	holder = l.Start(t)
	l.AwaitHolder(t)
	other = l.Start(t)
	l.AwaitSight(t, other)
	l.active(t, holder, 100)
	return l, holder, other
}

// takeover waits until the lease has passed on, and checks how long that took.
func (l *Ledger) takeover(t *testing.T, began, bound time.Duration, from, to *Candidate) {
	t.Helper()
	got, at := l.AwaitHolder(t, from)
	if got != to {
		t.Error("the lease went to a process that does not exist")
	}
	t.Logf("takeover after %v", (at - began).Round(time.Millisecond))
	if at-began > bound+slack {
		t.Errorf("takeover after %v; want at most %v", at-began, bound)
	}
	l.active(t, to, 100)
	l.Judge(t)
}

// active waits until the candidate has taken so many actions.
func (l *Ledger) active(t *testing.T, c *Candidate, acts int) {
	t.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(10*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for l.Acts(c) < acts {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("the holder has taken %d actions; want %d", l.Acts(c), acts)
		}
	}
}

func (l *Ledger) awaitStarts(t *testing.T, n int) (holder *Candidate) {
	t.Helper()
	l.await(t, "a holder after the store has come back", func() bool {
		if len(l.starts) < n {
			return false
		}
		holder = l.starts[len(l.starts)-1].who
		return true
	})
	return holder
}
