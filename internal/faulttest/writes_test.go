package faulttest

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"

	"github.com/cantonlb/cantonlb/lbtest"
)

// disturbance is what befalls the servers while writes are made.
type disturbance struct {
	opts []lbtest.Option
	// do disturbs them, and leaves them as they were.
	do func(*testing.T, *Bench)
	// fails says that some writes must have failed, or there was no disturbance.
	fails bool
}

// disturbances are each fault of a plan on two servers at once, and what a plan does
// not come to.
func disturbances() map[string]disturbance {
	all := map[string]disturbance{
		"all killed":       {do: onAll((*lbtest.Cluster).Kill, (*lbtest.Cluster).Restart), fails: true},
		"all hung":         {do: onAll((*lbtest.Cluster).Hang, (*lbtest.Cluster).Resume), fails: true},
		"all cut off":      {do: onAll((*lbtest.Cluster).Partition, (*lbtest.Cluster).Heal), fails: true},
		"all disconnected": {do: onAll((*lbtest.Cluster).Disconnect, func(*lbtest.Cluster, int) {}), fails: true},
		"rolling restart": {do: func(_ *testing.T, b *Bench) {
			for i := range Servers {
				b.Cluster.Stop(i)
				b.Cluster.Restart(i)
				time.Sleep(2 * time.Second)
			}
		}},
		"flapping health": {do: func(_ *testing.T, b *Bench) {
			for n := range 10 {
				b.Cluster.SetServing(0, "", n%2 == 1)
				time.Sleep(time.Second)
			}
		}},
		"paused again and again": {do: func(_ *testing.T, b *Bench) {
			for range 10 {
				b.Cluster.Hang(0)
				time.Sleep(400 * time.Millisecond)
				b.Cluster.Resume(0)
				time.Sleep(400 * time.Millisecond)
			}
		}},
		"health says nothing": {do: func(_ *testing.T, b *Bench) {
			b.Cluster.SetHealthLatency(0, time.Hour)
			time.Sleep(5 * time.Second)
			b.Cluster.SetHealthLatency(0, 0)
		}},
		"connections that age": {
			opts: []lbtest.Option{lbtest.WithServerOptions(grpc.KeepaliveParams(keepalive.ServerParameters{
				MaxConnectionAge: time.Second, MaxConnectionAgeGrace: 20 * time.Millisecond,
			}))},
			do:    func(*testing.T, *Bench) { time.Sleep(10 * time.Second) },
			fails: true,
		},
		"few streams": {
			opts: []lbtest.Option{lbtest.WithServerOptions(grpc.MaxConcurrentStreams(1))},
			do:   func(*testing.T, *Bench) { time.Sleep(5 * time.Second) },
		},
	}
	for _, code := range []codes.Code{codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.ResourceExhausted, codes.Aborted, codes.Canceled} {
		all["calls fail "+code.String()] = disturbance{do: onAll(
			func(c *lbtest.Cluster, i int) { c.FailCalls(i, code, "so it is") },
			func(c *lbtest.Cluster, i int) { c.FailCalls(i, codes.OK, "") }), fails: true}
	}
	for f := None + 1; f < faults; f++ {
		all[f.String()] = disturbance{fails: f.harms() && f != Stopped, do: func(t *testing.T, b *Bench) {
			for _, ends := range []bool{false, true} {
				for i := range 2 {
					require.NoError(t, b.do(Step{Server: i, Fault: f, Ends: ends}, seeded(1)))
				}
				time.Sleep(5 * time.Second)
			}
		}}
	}
	return all
}

func onAll(begin, end func(*lbtest.Cluster, int)) func(*testing.T, *Bench) {
	return func(_ *testing.T, b *Bench) {
		for _, do := range []func(*lbtest.Cluster, int){begin, end} {
			for i := range Servers {
				do(b.Cluster, i)
			}
			time.Sleep(5 * time.Second)
		}
	}
}

// A call that is not idempotent is sent once, whatever becomes of it.
func TestAWriteNeverArrivesTwiceUnderAnyFault(t *testing.T) {
	for name, d := range disturbances() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, setUp{servers: d.opts})
				for i := range Servers {
					b.Cluster.SetLatency(i, 300*time.Millisecond) // so that each has calls in flight
				}
				r := &run{bench: b, cfg: Config{Rest: 50 * time.Millisecond}, cancels: name == "calls fail Canceled"}
				calling, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for range 4 * writers {
					wg.Go(func() { r.caller(calling, r.write) })
				}
				time.Sleep(time.Second)
				d.do(t, b)
				before := r.writes.load().OK
				time.Sleep(5 * time.Second)
				stop()
				wg.Wait()
				b.stopping.Wait()
				assert.Empty(t, r.violations(t))
				assert.Greater(t, r.writes.load().OK, before, "all is well again")
				if d.fails {
					assert.Positive(t, r.writes.load().Failed)
				}
			})
		})
	}
}
