package instant

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheTimeInWhichTheMachineIsSuspendedCounts(t *testing.T) {
	now := time.Now()
	i := Of(now)
	assert.Equal(t, time.Minute, i.Elapsed(now.Add(time.Minute)))
	i.wall = i.wall.Add(-time.Hour)
	assert.Equal(t, time.Hour+time.Minute, i.Elapsed(now.Add(time.Minute)), "suspended for an hour")
	i.wall = i.wall.Add(2 * time.Hour)
	assert.Equal(t, time.Minute, i.Elapsed(now.Add(time.Minute)), "the wall clock was put back")
}

func Example() {
	began := time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)
	fmt.Println(Of(began).Elapsed(began.Add(time.Minute)))
	// Output: 1m0s
}
