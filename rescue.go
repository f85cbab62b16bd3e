package cantonlb

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/guard"
)

// rescuer reissues calls on another endpoint where that is safe: an idempotent call
// whose endpoint became unhealthy during the call or that failed with UNAVAILABLE, and
// any call that was certainly never sent. It is the innermost interceptor, so the
// interceptors of the application see one call. Its methods are safe for concurrent
// use.
type rescuer struct {
	idempotent  *idempotency
	maxAttempts int
	budget      *attempt.Budget
	moves       bool // streams may be ended, so that they move to the active endpoint
	tally       *attempt.Tally
	observe     func(context.Context, AttemptEvent) // nil if there is no observer
}

// unary is the interceptor of unary calls. The rounds of a call run one after the
// other: one is canceled and has returned before the next begins.
func (r *rescuer) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	record := &attempt.Record{
		Max: r.maxAttempts, Rescuable: r.idempotent.has(method),
		Allow: r.allow, Observe: r.observer(method),
	}
	ctx = attempt.NewContext(ctx, record)
	if limit := cc.GetMethodConfig(method).Timeout; limit != nil { // grpc applies it to each round
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *limit)
		defer cancel()
	}
	r.budget.Call(time.Now())
	opts, finished := onceFinished(opts)
	for {
		err := invokeRound(ctx, record, func(ctx context.Context) error {
			return invoke(ctx, method, req, reply, cc, opts...)
		})
		if ctx.Err() != nil || !record.Again(err) {
			err = typed(err, record)
			finished(err)
			return err
		}
		r.count(ctx, method, record)
	}
}

// allow reports whether the budget has a retry left.
func (r *rescuer) allow() bool {
	ok := r.budget.Take(time.Now())
	if !ok {
		r.tally.Refused()
	}
	return ok
}

// count counts a call that is reissued.
func (r *rescuer) count(ctx context.Context, method string, record *attempt.Record) {
	if !record.Rescued() {
		r.tally.Retried()
		return
	}
	r.tally.Rescued()
	if last := record.Newest(); r.observe != nil && last.Number > 0 { // not an attempt that was canceled before it was made
		guard.Call("the observer of attempts", func() {
			r.observe(ctx, AttemptEvent{
				Kind: CallRescued, Method: method, Endpoint: last.Endpoint, Address: last.Address, Number: last.Number, Code: codes.Canceled,
			})
		})
	}
}

// invokeRound makes one round of a call, which the record can cancel.
func invokeRound(ctx context.Context, record *attempt.Record, invoke func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	record.Begin(cancel)
	return invoke(ctx)
}

// stream is the interceptor of streams, which are never reissued: only the reader of a
// stream knows where to resume. With ActivePassive they may be ended.
func (r *rescuer) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	record := &attempt.Record{Max: r.maxAttempts, Stream: true, Observe: r.observer(method)}
	if r.moves {
		return openMovable(ctx, record, opts, func(ctx context.Context, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(ctx, desc, cc, method, opts...)
		})
	}
	stream, err := open(attempt.NewContext(ctx, record), desc, cc, method, opts...)
	return stream, typed(err, record)
}

// onceFinished removes the OnFinish options from a call's options, to be called once
// at the end instead of after each round.
func onceFinished(opts []grpc.CallOption) ([]grpc.CallOption, func(error)) {
	var finish []func(error)
	kept := opts
	for i, o := range opts {
		f, ok := o.(grpc.OnFinishCallOption)
		switch {
		case ok && finish == nil:
			kept = append(make([]grpc.CallOption, 0, len(opts)), opts[:i]...)
			fallthrough
		case ok:
			finish = append(finish, f.OnFinish)
		case finish != nil:
			kept = append(kept, o)
		}
	}
	return kept, func(err error) {
		for _, f := range finish {
			f(err)
		}
	}
}

// defaultMaxAttempts is the default of Config.MaxAttempts.
const defaultMaxAttempts = 3

// newRescuer returns the interceptors of a Config that has been checked.
func newRescuer(c Config, s settled) *rescuer {
	return &rescuer{
		idempotent:  s.idempotent,
		moves:       s.policy == ActivePassive,
		maxAttempts: cmp.Or(c.MaxAttempts, defaultMaxAttempts),
		tally:       new(attempt.Tally),
		observe:     c.OnAttempt,
		budget:      attempt.NewBudget(c.RetryBudget.Share, c.RetryBudget.PerSecond),
	}
}
