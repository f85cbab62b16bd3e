package cantonlb

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/guard"
)

// hedgeAttempt is an attempt beside others of its call.
type hedgeAttempt struct {
	race    *race
	record  *attempt.Record
	ctx     context.Context //nolint:containedctx // the attempt's
	cancel  context.CancelFunc
	instead bool // of an attempt that has failed

	// Guarded by the lock of the race.
	unwell, left bool
}

// enter adds a hedge, which takes its budget from allow. It returns nil if the call has
// ended.
func (x *race) enter(allow func() bool, instead bool) *hedgeAttempt {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over || x.winner != nil {
		return nil
	}
	if x.changed == nil {
		x.changed = make(chan struct{}, 1)
	}
	h := &hedgeAttempt{race: x, instead: instead}
	h.record = x.record.NewHedge(allow, h.becomesUnwell)
	h.ctx, h.cancel = context.WithCancel(attempt.NewContext(x.ctx, h.record))
	x.hedges = append(x.hedges, h)
	return h
}

// run makes the attempt. If it is the first that was answered, it has won. made is false
// if there was no endpoint or no budget for it. Stats handlers and codecs are code of the
// program, whose panics nothing else would recover in this goroutine.
func (h *hedgeAttempt) run() (made bool) {
	o := &outcome{err: errPanicked}
	defer h.cancel()
	defer func() { made = h.end(o) }()
	guard.Call("a hedge", func() { o = h.race.attempt(h.ctx) })
	return made
}

// end notes how the attempt has ended.
func (h *hedgeAttempt) end(o *outcome) (made bool) {
	x := h.race
	made = h.record.Newest().Number > 0
	if h.record.Answered(o.err) && x.claim(o) {
		x.record.Beat(h.record)
		x.record.Cancel()
		if !h.instead {
			x.r.tally.HedgeWon()
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	h.left = true
	x.hedges = slices.DeleteFunc(x.hedges, func(o *hedgeAttempt) bool { return o == h })
	if h.unwell {
		x.unwell--
	}
	if h.instead {
		x.replacing, x.nowhere = false, !made
	}
	x.signalLocked()
	return made
}

// becomesUnwell notes that the endpoint has become unhealthy. The attempt may still be
// answered, but the call no longer waits for it if it may be reissued.
func (h *hedgeAttempt) becomesUnwell() {
	x := h.race
	x.mu.Lock()
	defer x.mu.Unlock()
	if !h.left {
		h.unwell = true
		x.unwell++
		x.signalLocked()
	}
}

// attempt makes one attempt with a reply and options of its own.
func (x *race) attempt(ctx context.Context) *outcome {
	o := &outcome{reply: x.kind.empty()}
	opts := make([]grpc.CallOption, 0, len(x.opts)+mostCaptured)
	for _, option := range x.opts {
		switch option.(type) {
		case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption:
		default:
			opts = append(opts, option)
		}
	}
	opts = append(opts, grpc.Header(&o.header), grpc.Trailer(&o.trailer), grpc.Peer(&o.peer))
	o.err = x.invoke(ctx, o.reply, opts)
	return o
}

// mostCaptured is how many options a hedge has besides those of the call.
const mostCaptured = 3
