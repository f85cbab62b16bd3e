package cantonlb_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func TestASubscriberFollowsEachChangeAndTheLoopEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, cantonlb.Config{}, 1)
		synctest.Wait()
		before := len(client.Events())
		ended := make(chan []string)
		go func() {
			var lines []string
			for batch := range client.Subscribe(t.Context()) {
				for _, e := range batch.Events {
					lines = append(lines, fmt.Sprintf("%s %s -> %s (%s)", e.Kind, e.From, e.To, e.Reason))
				}
				if batch.Events == nil && lines == nil {
					lines = []string{}
					c.SetServing(0, "", false)
				}
			}
			ended <- lines
		}()
		synctest.Wait()
		assert.NoError(t, client.Close())
		want := []string{"endpoint healthy -> unhealthy (not_serving)", "none_eligible eligible -> none_eligible ()"}
		assert.Equal(t, want, <-ended)
		assert.Len(t, client.Events(), before+len(want))
	})
}

func TestASubscriptionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, cantonlb.Config{}, 1)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		loops := 0
		for range client.Subscribe(ctx) {
			if loops++; loops == 1 {
				cancel()
			}
		}
		assert.Equal(t, 1, loops)
	})
}

func TestASubscriptionMayBeginWithHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, c, cantonlb.Config{}, 1)
		synctest.Wait()
		past := client.Events()
		require.Greater(t, len(past), 2)
		var got []cantonlb.Event
		for batch := range client.SubscribeFrom(t.Context(), 0) {
			assert.Zero(t, batch.Missed)
			if got == nil {
				assert.Equal(t, past, batch.Events, "the first batch is what was")
				c.SetServing(0, "", false)
			}
			if got = append(got, batch.Events...); got[len(got)-1].To == report.NoneEligible {
				break
			}
		}
		assert.Equal(t, client.Events(), got)
		require.NoError(t, client.Close())
		for batch := range client.SubscribeFrom(t.Context(), past[2].Number) {
			assert.Equal(t, got[2:], batch.Events, "from a number on, and also after the end")
		}
	})
}
