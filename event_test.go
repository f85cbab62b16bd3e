package cantonlb_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
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
