package otelmetrics_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/otelmetrics"
)

// From the first moment to the end of a lease that is lost, what is exported is what the
// candidate says of itself.
func TestTheMetricsOfALeaseAreThoseOfItsStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := leasetest.NewStore().Link()
		candidate, err := lease.NewCandidate(lease.Config{
			Store: link, Name: "pink", Clock: lease.Monotonic, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		c := newCollector()
		stop, err := otelmetrics.ObserveLeases(candidate, otelmetrics.WithMeterProvider(c))
		require.NoError(t, err)
		assert.Equal(t, map[string]float64{
			"cantonlb.lease.candidate{pink,idle}": 1, "cantonlb.lease.held{pink}": 0, "cantonlb.lease.left{pink}": 0,
			"cantonlb.lease.token{pink}": 0, "cantonlb.lease.stuck{pink}": 0, "cantonlb.lease.store_failing{pink}": 0,
		}, c.collect(t))

		ctx, end := context.WithCancel(t.Context())
		let, result := make(chan struct{}), make(chan error, 1)
		go func() {
			result <- candidate.Run(ctx, func(ctx context.Context, _ lease.Lease) error {
				<-ctx.Done()
				<-let
				return nil
			})
		}()
		synctest.Wait()
		series := c.collect(t)
		assert.Equal(t, map[string]float64{
			"cantonlb.lease.candidate{pink,holder}": 1, "cantonlb.lease.held{pink}": 1, "cantonlb.lease.left{pink}": 9,
			"cantonlb.lease.token{pink}": 1, "cantonlb.lease.stuck{pink}": 0, "cantonlb.lease.store_failing{pink}": 0,
			"cantonlb.lease.events{pink,acquired,free}": 1,
		}, series)

		link.Cut()
		time.Sleep(time.Minute)
		synctest.Wait()
		series = c.collect(t)
		for want, value := range map[string]float64{
			"cantonlb.lease.candidate{pink,ending}": 1, "cantonlb.lease.held{pink}": 0, "cantonlb.lease.left{pink}": 0,
			"cantonlb.lease.stuck{pink}": 1, "cantonlb.lease.store_failing{pink}": 1,
			"cantonlb.lease.events{pink,lost,not_renewed}": 1, "cantonlb.lease.events{pink,stuck,}": 1,
			"cantonlb.lease.events{pink,store_failing,store_error}": 1,
		} {
			assert.InDelta(t, value, series[want], 0, "%s in %v", want, series)
		}
		assert.NotContains(t, series, "cantonlb.lease.candidate{pink,holder}", "other states are not reported")
		require.NoError(t, stop())
		assert.Empty(t, c.collect(t))
		end()
		close(let)
		require.NoError(t, <-result)
	})
}
