package checking

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/report"
)

// The pauses before a broken Watch is opened again.
const (
	minWatchPause = time.Second
	maxWatchPause = 10 * time.Second
)

// watch keeps a Watch open, until ctx ends or the server turns out not to
// support it.
func (r *run) watch(ctx context.Context) {
	defer r.settle()
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(minWatchPause),
		backoff.WithMaxInterval(maxWatchPause), backoff.WithMaxElapsedTime(0))
	for {
		opened := time.Now()
		alive := false
		push := func(v report.Verdict) {
			took := pushed
			if !alive { // the first push answers the opening: a round trip
				alive, took = true, time.Since(opened)
				pause.Reset()
				r.c.setWatchIf(ctx, report.WatchAlive)
			}
			r.c.applyIf(ctx, v, report.KindGRPCWatch, took)
			r.settle()
		}
		end, err := guard.Await(ctx, &r.c.left, r.c.what("a watch"), 1, func() report.Verdict { return r.probes.Watch.Watch(ctx, push) }, nil)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			end = NewVerdict(report.Inconclusive, report.ReasonProbeError, err.Error())
		}
		if end.Reason == report.ReasonUnimplemented {
			r.c.setWatchIf(ctx, report.WatchUnimplemented)
			return
		}
		r.c.setWatchIf(ctx, report.WatchBroken)
		r.c.applyIf(ctx, end, report.KindGRPCWatch, pushed)
		r.settle()
		r.askNow()
		if !sleep.For(ctx, pause.NextBackOff()) {
			return
		}
	}
}

// settle releases awaitFirst.
func (r *run) settle() { r.once.Do(func() { close(r.first) }) }

// askNow makes a Check due at once, in place of the Watch that broke.
func (r *run) askNow() {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.c.dueLocked(time.Now())
}
