package endpointset

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/report"
)

// Failures that end at the same time, answered or not, are all counted.
func TestFailuresAtTheSameTimeDoNotInterruptEachOther(t *testing.T) {
	set := New("", newFakeChannel(t), balancer.BuildOptions{})
	set.ejectAfter.Store(1 << 20)
	c := &conn{endpoint: &endpoint{set: set}}
	done := c.newDone()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 1000 {
				done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, ""), BytesReceived: i%2 == 0})
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 8000, c.streak.n)
	assert.Equal(t, report.CallStats{Picked: 0, InFlight: ^uint64(7999), Heard: 4000, Failed: 8000}, c.counts())
	c.streak.reset()
	done(balancer.DoneInfo{Err: status.Error(codes.Unavailable, "")})
	assert.Equal(t, 1, c.streak.n)
}
