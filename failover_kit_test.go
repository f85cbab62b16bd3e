package cantonlb_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

// activePassive is a config whose idempotent calls wait for an active endpoint.
func activePassive() cantonlb.Config {
	return cantonlb.Config{Policy: cantonlb.ActivePassive, NoneEligible: cantonlb.Wait, Idempotent: echoIsIdempotent}
}

// replicas returns a cluster of which the first server serves and the others stand by.
func replicas(t *testing.T, n int, opts ...lbtest.Option) *lbtest.Cluster {
	t.Helper()
	c := lbtest.NewCluster(t, n, lbtest.RegisterEcho, opts...)
	for i := 1; i < n; i++ {
		c.SetServing(i, "", false)
	}
	return c
}

func active(client *cantonlb.Client) string { return client.Status().Failover.Active }

// switches returns the switches so far, as "from>to reason", without the first
// choice.
func switches(client *cantonlb.Client) []string {
	list := []string{}
	for _, e := range client.Events() {
		if e.Kind == cantonlb.EventSwitch && e.Switch.Number > 1 {
			list = append(list, fmt.Sprintf("%s>%s %s", e.Switch.From, e.Switch.To, e.Reason))
		}
	}
	return list
}

// keepCalling makes calls at a steady rate, each with this time to succeed, until stop is
// called, which returns the number of calls and the errors.
func keepCalling(ctx context.Context, client *cantonlb.Client, every, limit time.Duration) (stop func() (calls int64, errs []error)) {
	ctx, cancel := context.WithCancel(ctx)
	var (
		calls atomic.Int64
		mu    sync.Mutex
		errs  []error
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for ctx.Err() == nil {
			calls.Add(1)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
				defer cancel()
				if _, err := lbtest.ServedBy(ctx, client); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, err)
				}
			})
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	})
	return func() (int64, []error) {
		cancel()
		wg.Wait()
		return calls.Load(), errs
	}
}

// endOf returns the error with which a stream ends, within a thousand messages.
func endOf(stream grpc.ServerStreamingClient[wrapperspb.UInt64Value]) error {
	for range 1000 {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	return errors.New("the stream does not end")
}
