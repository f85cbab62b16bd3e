package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/instant"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/protopath"
)

// SubmitOptions are the options of one submission.
type SubmitOptions[R proto.Message] struct {
	// Fetch returns the reply of a command that was executed while its reply was lost,
	// for example with GetUpdateByOffset or GetUpdateById. It must return when ctx ends:
	// the submission waits for it. If it is nil, the reply is nil.
	Fetch func(ctx context.Context, outcome Outcome) (R, error)
	// AcceptEarlier makes it a success if the command was executed before, by another
	// submission than those of this call.
	AcceptEarlier bool
}

// Submit submits request until the outcome is known, or ctx ends. call is the method
// of a generated stub that submits request: SubmitAndWait and its variants,
// ExecuteSubmissionAndWait, or, with Submitter.Completions, Submit and
// ExecuteSubmission, whose reply does not contain the outcome.
//
// All attempts have the request's command ID, act_as and user_id. Each has its own
// submission_id, which replaces that of the request. The request itself is not
// changed. The error categories and delays that the node returns determine whether
// there is another attempt.
//
// The error is nil if the command was executed by this call. Otherwise it is a
// *[NotExecutedError], an *[UnknownOutcomeError], a *[FetchError], a *[RequestError]
// if there was no attempt, or [ErrEarlier]. Outcome is set as far as it is known.
//
// Within the deduplication period of the request, or the node's maximum if the request
// sets none, the command is executed at most once, provided that the replicas share
// one store and that store has lost nothing. After that period Submit makes no attempt
// that might be a second execution. The node does not deduplicate reassignments; a
// reassignment is submitted once.
func Submit[Q, R proto.Message](
	ctx context.Context, s *Submitter, call func(ctx context.Context, request Q, opts ...grpc.CallOption) (R, error), request Q,
	o SubmitOptions[R],
) (reply R, outcome Outcome, err error) {
	if s == nil || call == nil {
		return reply, outcome, &RequestError{"Submit", "the Submitter or the call is nil: want both"}
	}
	x, err := s.begin(ctx, request)
	if err != nil {
		return reply, outcome, err
	}
	defer x.end()
	x.acceptEarlier = o.AcceptEarlier
	x.do = func(ctx context.Context, request proto.Message) (proto.Message, error) {
		r, err := call(ctx, request.(Q)) //nolint:forcetypeassert // a clone
		if err == nil && protopath.IsNil(r) {
			return nil, errors.New("the call has returned a nil reply and no error")
		}
		if err == nil {
			reply = r
		}
		return r, err
	}
	outcome, replied, err := x.run(ctx)
	switch {
	case err != nil:
		return *new(R), outcome, err
	case outcome.Earlier && !o.AcceptEarlier:
		return *new(R), outcome, ErrEarlier
	case replied:
		return reply, outcome, nil
	case o.Fetch == nil:
		return *new(R), outcome, nil
	}
	fetched, err := o.Fetch(ctx, outcome)
	if err != nil {
		return fetched, outcome, &FetchError{Outcome: outcome, Err: err}
	}
	if m := protopath.Reflected(fetched); m != nil {
		outcome.learn(m)
	}
	return fetched, outcome, nil
}

// submission is one call of Submit under way.
type submission struct {
	s       *Submitter
	pending Pending
	shape   shape
	request proto.Message // never changed, never sent
	do      func(context.Context, proto.Message) (proto.Message, error)
	window  time.Duration // in which it may be submitted again; 0: any time
	began   instant.Instant
	ids     []string // of the attempts
	doubted []string // those of them that may have been executed, or may yet be
	earlier *verdict // of an attempt in doubt that was a duplicate of another's
	tracker *tracker // nil until it is needed

	acceptEarlier bool // whoever executed the command, it is a success
	retries       retries
}

// begin checks a request and prepares its first attempt.
func (s *Submitter) begin(ctx context.Context, request proto.Message) (*submission, error) {
	pending, shape, err := pendingOf(request)
	if err != nil {
		return nil, err
	}
	switch {
	case s.AttemptTimeout < 0 || s.AttemptTimeout > 0 && s.AttemptTimeout < limits.MinDuration:
		return nil, &RequestError{"Submitter.AttemptTimeout", fmt.Sprintf(
			"%v: want a duration of at least 1ms, or 0 for one minute", s.AttemptTimeout)}
	case s.UserIDRequired && pending.ChangeID.UserID == "":
		return nil, &RequestError{shape.user, "is empty: want the user's ID, " +
			"since an empty one means the user of the endpoint's token, and another change ID at another endpoint"}
	case (shape.accepts || shape.reassignment) && s.Completions == nil:
		return nil, &RequestError{"Submitter.Completions", fmt.Sprintf(
			"is nil: want the completions, without which the outcome of a %s cannot be known", request.ProtoReflect().Descriptor().Name())}
	}
	x := &submission{s: s, pending: pending, shape: shape, request: proto.Clone(request), began: instant.Of(time.Now()), retries: newRetries()}
	if window, set := shape.window(x.request.ProtoReflect()); set {
		x.window = max(window, 1)
	}
	if x.pending.After, err = s.After(ctx); err != nil {
		var request *RequestError
		if errors.As(err, &request) {
			return nil, err
		}
		return nil, x.notExecuted(err)
	}
	if shape.accepts {
		x.track(ctx)
	}
	return x, nil
}

// end stops what was started.
func (x *submission) end() {
	if x.tracker != nil {
		x.tracker.stop()
	}
}

func (x *submission) track(ctx context.Context) {
	if x.tracker == nil {
		x.tracker = track(ctx, x.s.Completions, x.pending, x.s.reading(), x.ids...)
	}
}

// run makes attempts until the outcome is known. It reports whether a reply contained
// it.
func (x *submission) run(ctx context.Context) (outcome Outcome, replied bool, err error) {
	var last error
	for {
		if ended := interrupted(ctx, "the submission", last); ended != nil {
			return x.outcome(), false, x.ended(ended)
		}
		outcome, v, err := x.attempt(ctx)
		if err == nil {
			return outcome, true, nil
		}
		if v.doubt {
			x.doubted = append(x.doubted, x.last())
		}
		if v.duplicate {
			outcome, err := x.duplicate(ctx, v, err)
			return outcome, false, err
		}
		if ended := interrupted(ctx, "the submission", err); ended != nil {
			return x.outcome(), false, x.ended(ended)
		}
		pause, again := x.retries.next(v.reaction, time.Now())
		if !again || x.shape.reassignment || !x.mayRepeat(pause) {
			outcome, err := x.settle(ctx, err)
			return outcome, false, err
		}
		if codeOf(err) == codes.Unauthenticated && x.s.DropToken != nil {
			x.s.DropToken()
		}
		if x.s.OnRetry != nil {
			x.s.OnRetry(Retry{ChangeID: x.pending.ChangeID, Attempt: len(x.ids), Err: err, Pause: pause})
		}
		x.s.Node.rest(ctx, pause)
		last = err
		if ctx.Err() == nil && !x.mayRepeat(0) { // the wait for a replica was longer than the pause
			outcome, err := x.settle(ctx, err)
			return outcome, false, err
		}
	}
}

// attempt submits once.
func (x *submission) attempt(ctx context.Context) (Outcome, verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, x.timeout())
	defer cancel()
	id := rand.Text()
	x.ids = append(x.ids, id)
	if x.shape.reassignment {
		x.pending.SubmissionID = id
	}
	if x.tracker != nil {
		x.tracker.expect(id)
	}
	request := proto.Clone(x.request)
	setText(request.ProtoReflect(), x.shape.submission, id)
	reply, err := x.do(ctx, request)
	switch {
	case err != nil:
		return Outcome{}, judge(err), err
	case x.shape.accepts:
		return x.complete(ctx, id)
	}
	outcome := x.outcome()
	outcome.learn(reply.ProtoReflect())
	x.learned(outcome)
	return outcome, verdict{}, nil
}

func (x *submission) last() string { return x.ids[len(x.ids)-1] }

// mayRepeat reports whether another attempt, after a pause, cannot be a second
// execution.
func (x *submission) mayRepeat(pause time.Duration) bool {
	return len(x.doubted) == 0 || x.window == 0 || x.began.Elapsed(time.Now())+pause < x.window
}

// timeout returns how long the next attempt may take. It may wait for an endpoint before
// it is sent, and so must not outlast the time in which it cannot be a second execution.
func (x *submission) timeout() time.Duration {
	if len(x.doubted) == 0 || x.window == 0 {
		return x.s.attemptTimeout()
	}
	return min(x.s.attemptTimeout(), x.window-x.began.Elapsed(time.Now()))
}

// ended returns the error of a submission that is not retried.
func (x *submission) ended(why error) error {
	if len(x.doubted) > 0 {
		return x.unknown(why)
	}
	return x.notExecuted(why)
}

func (x *submission) outcome() Outcome { return Outcome{Attempts: len(x.ids)} }

func (x *submission) completed(c completion) Outcome {
	outcome := x.outcome()
	outcome.UpdateID, outcome.CompletionOffset = c.updateID, c.offset
	x.learned(outcome)
	return outcome
}

func (x *submission) notExecuted(err error) error {
	return &NotExecutedError{ChangeID: x.pending.ChangeID, Attempts: len(x.ids), Err: err}
}

func (x *submission) unknown(err error) error {
	return &UnknownOutcomeError{Pending: x.pending, Attempts: len(x.ids), Err: err}
}

// learned stores the known ledger end, so that later submissions have fewer
// completions to read.
func (x *submission) learned(outcome Outcome) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if outcome.CompletionOffset.Compare(x.s.end) > 0 {
		x.s.end = outcome.CompletionOffset
	}
}

// learn reads the outcome from a reply.
func (o *Outcome) learn(reply protoreflect.Message) {
	for _, path := range []string{"update_id", "transaction_id", "transaction.update_id", "transaction.transaction_id", "reassignment.update_id"} {
		if id := textAt(reply, path); id != "" {
			o.UpdateID = id
			break
		}
	}
	if offset := offsetAt(reply, "completion_offset"); !offset.IsZero() {
		o.CompletionOffset = offset
	}
}
