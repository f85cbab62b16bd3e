package selector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestASearchBecomesSlowerUpToASecond(t *testing.T) {
	const first = 100 * time.Millisecond
	for n, want := range []time.Duration{first, 2 * first, 4 * first, 8 * first, time.Second, time.Second} {
		assert.Equal(t, want, SearchPause(n, first, 0))
	}
	assert.Equal(t, time.Second, SearchPause(1_000_000_000, first, 0))
	assert.Equal(t, 3*time.Second, SearchPause(5, 3*time.Second, 0), "a slow schedule is kept")
	assert.InDelta(t, float64(80*time.Millisecond), float64(SearchPause(0, first, 1)), 1)
}
