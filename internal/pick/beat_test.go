package pick

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestADeadlineThatPassesWhileThisProcessDoesNotRunIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(nil)
		stalled := func(patience time.Duration) bool { return r.beat.stalled(r.now(), patience) }
		time.Sleep(time.Hour)
		assert.False(t, stalled(time.Second), "there is no timer")

		r.Beat(time.Now().Add(75 * time.Millisecond))
		time.Sleep(170 * time.Millisecond)
		assert.False(t, stalled(100*time.Millisecond))
		time.Sleep(10 * time.Millisecond)
		assert.True(t, stalled(100*time.Millisecond), "the timer is overdue")
		assert.False(t, stalled(time.Second), "but only by a small part of the time")

		r.Late(300 * time.Millisecond) // it has fired
		r.Beat(time.Now().Add(75 * time.Millisecond))
		r.Late(200 * time.Millisecond)
		r.Late(0)
		assert.True(t, stalled(time.Second))
		assert.False(t, stalled(2*time.Second))
		time.Sleep(time.Second)
		r.Beat(time.Now().Add(75 * time.Millisecond))
		assert.False(t, stalled(time.Second), "that is long ago")
		r.Late(200 * time.Millisecond)
		assert.True(t, stalled(500*time.Millisecond))
	})
}
