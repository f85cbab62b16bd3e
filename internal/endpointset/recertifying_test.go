package endpointset

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestACertificateThatIsNotAcceptedIsTriedAfterPausesThatGrow(t *testing.T) {
	now := time.Unix(1000, 0)
	try := func(r recertified, after time.Duration, leaf string, eligible bool) (recertified, bool) {
		now = now.Add(after)
		return r.next(now, []byte(leaf), eligible)
	}
	r, due := try(recertified{}, 0, "a", true)
	assert.True(t, due, "the first time at once")
	for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
		_, due = try(r, time.Duration(seconds)*time.Second-1, "a", true)
		assert.False(t, due)
		r, due = try(r, 1, "a", true)
		assert.True(t, due, "after %d s", seconds)
	}
	r, due = try(r, recertifyEvery, "a", false)
	assert.True(t, due, "there is nothing to lose")
	_, due = try(r, 0, "b", true)
	assert.True(t, due, "another one")
}
