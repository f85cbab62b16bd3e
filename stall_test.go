package cantonlb_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// 200 goroutines use all processors for two seconds. The answers of the servers are
// there in time, but nobody reads them.
func TestAProcessWithoutAProcessorLeftTakesNoServerForDead(t *testing.T) {
	if testing.Short() {
		t.Skip("uses all processors for seconds")
	}
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.OnTCP())
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 3)
	ctx, stop := context.WithTimeout(testkit.Context(t), 4*time.Second)
	defer stop()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, err := lbtest.Echo(testkit.Context(t), client, "x") //nolint:contextcheck // a call may end after ctx
				assert.NoError(t, err)
				timer := time.NewTimer(20 * time.Millisecond)
				<-timer.C
			}
		})
	}
	until := time.Now().Add(2 * time.Second)
	var work atomic.Int64
	for range 200 {
		wg.Go(func() {
			for time.Now().Before(until) {
				work.Add(1)
			}
		})
	}
	wg.Wait()
	neverOut(t, client)
	for _, e := range client.Events() {
		assert.NotEqual(t, cantonlb.EventNoneEligible, e.Kind, "%v", e)
		assert.NotContains(t, e.Detail, "no sign of life")
	}
}
