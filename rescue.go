package cantonlb

import (
	"cmp"
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/hedge"
	"github.com/cantonlb/cantonlb/internal/sleep"
)

// rescuer reissues calls on another endpoint where that is safe: an idempotent call
// whose endpoint became unhealthy during the call or that failed with UNAVAILABLE, and
// any call that was certainly never sent. It heeds what the server says about retries
// (grpc-retry-pushback-ms, gRFC A6). It is the innermost interceptor, so the
// interceptors of the application see one call. Its methods are safe for concurrent
// use.
type rescuer struct {
	idempotent  *idempotency
	maxAttempts int
	budget      *attempt.Budget
	mayRetry    func() bool // the method allow, made once
	moves       bool        // streams may be ended, so that they move to another endpoint
	// delays measures how long the attempts of idempotent methods take; nil without
	// hedges and without an attempt timeout.
	delays         *hedge.Delays
	hedges         bool
	attemptTimeout time.Duration // 0 means none
	skipped        skips
	idleHedge      bool // hedges are configured, and the policy makes none
	tally          *attempt.Tally
	heeder         heeder
	observe        func(context.Context, AttemptEvent) // nil if there is no observer
	observing      guard.Left                          // calls of the observer that have not returned in time
}

// unary is the interceptor of unary calls. The rounds of a call run one after the
// other: one is canceled and has returned before the next begins.
func (r *rescuer) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	record := &attempt.Record{
		Max: r.maxAttempts, Rescuable: r.idempotent.has(method),
		Allow: r.mayRetry, Observe: r.observer(method),
	}
	if record.Rescuable && r.delays != nil {
		record.Method = r.delays.Of(method)
	}
	if limit := cc.GetMethodConfig(method).Timeout; limit != nil && *limit >= 0 { // grpc applies it to each round
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *limit)
		defer cancel()
	}
	ctx = attempt.NewContext(ctx, record)
	r.budget.Call(time.Now())
	opts, finished := onceFinished(hidingTokens(opts))
	round := func(ctx context.Context, reply any, opts []grpc.CallOption) error {
		if !r.heeder.must(ctx, cc, opts) {
			return scrubbed(ctx, invokeEnding(ctx, invoke, method, req, reply, cc, opts))
		}
		opts = heeding(opts)
		_, err := r.heeder.do(ctx, func() (grpc.ClientStream, error) { return nil, invokeEnding(ctx, invoke, method, req, reply, cc, opts) })
		return scrubbed(ctx, err)
	}
	race := r.newRace(ctx, record, method, reply, opts, round)
	defer race.end()
	limit := r.limitAttempts(record)
	defer limit.end()
	for {
		err := invokeRound(ctx, record, race, reply, opts, round)
		again := false
		switch race.await(err) {
		case ownCounts:
			again = r.again(ctx, record, err)
		case anotherRound:
			again = true
		case hedgeCounts:
			err = race.adopt()
		}
		if !again {
			race.end()                                         // so that the error says how each attempt has ended
			err = typed(notCanceled(ctx, record, err), record) //nolint:contextcheck // it only explains
			finished(err)
			return err
		}
		if !sleep.For(ctx, record.Pause()) {
			err = status.FromContextError(ctx.Err()).Err()
			finished(err)
			return err
		}
		r.count(ctx, method, record)
	}
}

// invokeEnding is invoke that ends the attempt if code of the program panics, such as call
// credentials or a codec. grpc does not, and the call would stay in flight.
func invokeEnding(ctx context.Context, invoke grpc.UnaryInvoker, method string, req, reply any, cc *grpc.ClientConn, opts []grpc.CallOption) error {
	returned := false
	defer endUnless(ctx, &returned)
	err := invoke(ctx, method, req, reply, cc, opts...)
	returned = true
	return err
}

// endUnless ends the attempt under way with this context, unless its function has returned.
func endUnless(ctx context.Context, returned *bool) {
	if !*returned {
		attempt.From(ctx).EndPanicked(errPanicked)
	}
}

// again reports whether the call with this record is reissued after a round that ended
// with err. It takes a retry from the budget.
func (r *rescuer) again(ctx context.Context, record *attempt.Record, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.As(err, new(*hangsError)) && attempt.Outlasts(ctx, record.Pause()) && record.Again(err)
}

// notCanceled returns the error of a call whose last round ended with err. A round that
// was called off, and is not followed by another one, was not canceled by the caller.
func notCanceled(ctx context.Context, record *attempt.Record, err error) error {
	switch {
	case status.Code(err) != codes.Canceled || !record.Rescued():
		return err
	case ctx.Err() == nil && errors.As(err, new(*hangsError)):
		return status.Error(codes.Unavailable, errHangs.Error())
	case ctx.Err() == nil && attempt.Outlasts(ctx, record.Pause()):
		return errLost
	default: // it ends with its context, perhaps in the same moment
		return status.FromContextError(cmp.Or(ctx.Err(), context.DeadlineExceeded)).Err()
	}
}

// errLost is the error of a call that was called off, and for which there may be no other
// attempt since then: the hedges have used all, or the budget, or a server refuses it.
var errLost = status.Error(codes.Unavailable, "the endpoint became unhealthy during the call, which may not be reissued any more")

// allow reports whether the budget has a retry left.
func (r *rescuer) allow() bool {
	ok := r.budget.Take(time.Now())
	if !ok {
		r.tally.Refused()
	}
	return ok
}

// allowHedge reports whether the budget has a hedge left, and counts it.
func (r *rescuer) allowHedge() bool {
	ok := r.budget.TakeHedge(time.Now())
	if ok {
		r.tally.Hedged()
	} else {
		r.tally.HedgeRefused()
	}
	return ok
}

// count counts a call that is reissued.
func (r *rescuer) count(ctx context.Context, method string, record *attempt.Record) {
	if !record.Rescued() || record.Beaten() { // it failed, or took too long
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

// invokeRound makes one round of a call, which the record can cancel if the call may be
// reissued.
func invokeRound(ctx context.Context, record *attempt.Record, race *race, reply any, opts []grpc.CallOption,
	invoke func(context.Context, any, []grpc.CallOption) error,
) error {
	if !record.Rescuable {
		record.Begin(nil)
		return invoke(ctx, reply, opts)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	record.Begin(cancel)
	if race.won() { // a hedge has been answered since the last round
		cancel()
	}
	return invoke(ctx, reply, opts)
}

// stream is the interceptor of streams, which are never reissued: only the reader of a
// stream knows where to resume. With ActivePassive they may be ended.
func (r *rescuer) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s := &stream{ctx: ctx}
	s.record.Max, s.record.Stream, s.record.Movable, s.record.Observe = r.maxAttempts, true, r.moves, r.observer(method)
	opening := func(ctx context.Context, opts ...grpc.CallOption) (opened grpc.ClientStream, err error) {
		open := func(ctx context.Context, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			returned := false
			defer endUnless(ctx, &returned)
			opened, err := open(ctx, desc, cc, method, opts...)
			returned = true
			return opened, err
		}
		if r.heeder.must(ctx, cc, opts) {
			opts = heeding(opts)
			opened, err = r.heeder.do(ctx, func() (grpc.ClientStream, error) { return open(ctx, opts...) })
		} else {
			opened, err = open(ctx, opts...)
		}
		if err != nil {
			return nil, scrubbed(ctx, err)
		}
		return scrubbedStream{opened, ctx}, nil
	}
	return s.open(hidingTokens(opts), opening) //nolint:contextcheck // s has ctx
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

// left names the code of the program that has not returned although its time is up.
func (r *rescuer) left() []string {
	return []string{r.heeder.left.String(), r.observing.String()}
}

// defaultMaxAttempts is the default of Config.MaxAttempts.
const defaultMaxAttempts = 3

// newRescuer returns the interceptors of a Config that has been checked.
func newRescuer(c Config, s settled) *rescuer {
	r := &rescuer{
		idempotent:  s.idempotent,
		moves:       s.policy == ActivePassive || c.StreamDrain > 0,
		maxAttempts: cmp.Or(c.MaxAttempts, defaultMaxAttempts),
		tally:       new(attempt.Tally),
		budget:      attempt.NewBudget(c.RetryBudget.Share, c.RetryBudget.PerSecond),
	}
	r.mayRetry = r.allow
	if r.observe = c.OnAttempt; r.observe != nil && !c.OnAttemptInline {
		r.observe = func(ctx context.Context, e AttemptEvent) {
			guard.Tell(&r.observing, "the observer of attempts", func() { c.OnAttempt(ctx, e) })
		}
	}
	switch {
	case c.AttemptTimeout > 0:
		r.attemptTimeout, r.delays = c.AttemptTimeout, hedge.NewDelays(c.AttemptTimeout)
	case c.Hedge != nil && s.policy != ActivePassive: // which never sends a call to a standby
		r.hedges, r.delays = true, hedge.NewDelays(c.Hedge.Delay)
	}
	r.idleHedge = c.Hedge != nil && !r.hedges
	return r
}
