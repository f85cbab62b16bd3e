package selector_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/report"
)

// owner drives a Chooser as a policy does.
type owner struct {
	mu      sync.Mutex
	chooser *selector.Chooser
	taken   []report.Switch
	events  int
}

func newOwner(members ...selector.Member) *owner {
	o := new(owner)
	o.chooser = selector.NewChooser(selector.Config{}, &o.mu, func(_ selector.State, e selector.Effects) {
		o.events++
		if e.Switch.Number != 0 {
			o.taken = append(o.taken, e.Switch.Report())
		}
	})
	_ = o.choose(selector.Event{Kind: selector.EventMembers, Members: members})
	return o
}

func (o *owner) choose(e selector.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.chooser.Choose(e)
}

func (o *owner) become(id int, s selector.Standing, r report.Reason) {
	_ = o.choose(selector.Event{Kind: selector.EventCondition, ID: id, Condition: selector.Condition{Standing: s, Reason: r}})
}

func (o *owner) active() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.chooser.Status().Active
}

func TestAChooserWakesTheStateWhenItsTimeComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(selector.Member{ID: 1, Name: "a"}, selector.Member{ID: 2, Name: "b"})
		o.become(1, selector.Undecided, report.ReasonNone)
		o.become(2, selector.Fit, report.ReasonServing)
		assert.Empty(t, o.active(), "a, which is preferred, is waited for")
		time.Sleep(selector.Patience)
		synctest.Wait()
		assert.Equal(t, "b", o.active())
		require.Len(t, o.taken, 1)
		assert.Equal(t, report.Switch{Number: 1, To: "b", Reason: report.ReasonFirstChoice, At: time.Now()}, o.taken[0])
	})
}

func TestAChooserThatIsStoppedDoesNothingByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(selector.Member{ID: 1, Name: "a"}, selector.Member{ID: 2, Name: "b"})
		o.become(1, selector.Undecided, report.ReasonNone)
		o.become(2, selector.Fit, report.ReasonServing)
		o.mu.Lock()
		assert.True(t, o.chooser.Waits())
		o.chooser.Stop()
		assert.False(t, o.chooser.Waits())
		o.mu.Unlock()
		o.become(2, selector.Suspect, report.ReasonSilence)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Empty(t, o.active())
		assert.False(t, o.chooser.Waits())
	})
}

func TestOnceAChooserIsStoppedNoMemberIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(selector.Member{ID: 1, Name: "a"}, selector.Member{ID: 2, Name: "b"})
		o.become(1, selector.Fit, report.ReasonServing)
		o.become(2, selector.Fit, report.ReasonServing)
		time.Sleep(time.Minute)
		stop := func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.chooser.Stop()
		}
		stop()
		want := report.FailoverStatus{Since: time.Now(), Last: "a", Switches: 1}
		assert.Equal(t, want, o.chooser.Status())
		time.Sleep(time.Minute)
		stop() // a second time
		o.become(2, selector.Suspect, report.ReasonSilence)
		assert.Equal(t, want, o.chooser.Status())
	})
}

func TestACommandThatIsRefusedChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwner(selector.Member{ID: 1, Name: "a"})
		before := o.events
		var refused *selector.RefusedError
		require.ErrorAs(t, o.choose(selector.Event{Kind: selector.EventSwitch, Name: "b"}), &refused)
		assert.Equal(t, "b", refused.Name)
		assert.Equal(t, before, o.events)
		assert.NoError(t, o.choose(selector.Event{Kind: selector.EventUnpin}))
	})
}

func TestABellThatIsRungManyTimesRingsOnce(t *testing.T) {
	bell := selector.NewBell()
	bell.Ring()
	bell.Ring()
	<-bell
	assert.Empty(t, bell)
}
