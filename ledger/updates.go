package ledger

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// Receiver is a stream that a server sends, such as a grpc.ServerStreamingClient.
type Receiver[M any] interface {
	// Recv returns the next message, and io.EOF itself, not wrapped, after the last one.
	Recv() (M, error)
}

// Open opens a stream of the messages after an offset. Open must return and the stream
// must end when ctx does, as gRPC streams do: the loop waits for both.
type Open[M any] func(ctx context.Context, beginExclusive Offset) (Receiver[M], error)

// Update is one message of a stream.
type Update[M any] struct {
	// Msg is the message. The loop body may keep it.
	Msg M
	// Offset is the offset after which the stream continues. Store it in the same
	// transaction as the work of the loop body.
	Offset Offset
	// Checkpoint reports that the message holds no update, only an offset.
	Checkpoint bool
}

// Options are the options of a stream. The zero value is ready for use; it does
// without the checks that need Node.
type Options[M any] struct {
	// Request is the request that Open sends, without its offset. It is only read: one
	// with descending_order is refused, and so is one whose end is a boundary or not the
	// End. Its end is the End otherwise. May be nil.
	Request proto.Message
	// End is the last offset of the range, which the request must have as well. The
	// zero value means that of Request, or a stream without an end. The last message may
	// come well before the End, and then the stream is only closed. Whether that is the
	// end, and no server that shuts down, is asked of Node.LedgerEnd; without that, a
	// stream that was closed three times in a row without a message is at its end.
	End Offset
	// OnCheckpoint is called with the offset of each checkpoint, after the loop body has returned
	// for it, in the loop's own goroutine, which waits for it as for the loop body. An error ends
	// the stream with CheckpointFailed. May be nil.
	OnCheckpoint func(ctx context.Context, offset Offset) error
	// Node is used to read the ledger end when the stream is silent, and to examine a
	// ledger that was rewound. Without Node.LedgerEnd a silence is not detected.
	Node Node
	// DropToken makes the next call use a fresh token. It is called after
	// UNAUTHENTICATED, before the one attempt that follows, and must return at once:
	// the attempt waits for it. May be nil if the credentials refresh the token
	// themselves.
	DropToken func()
	// Position returns the offset of a message and whether it is a checkpoint, for messages
	// that are not of the Ledger API. It must return at once. Nil means the documented fields of
	// the Ledger API's messages.
	Position func(M) (offset Offset, checkpoint bool, err error)
	// OnReopen is called for each reopening, before the pause that precedes it. The
	// reopening waits for it, so it must be quick. May be nil.
	OnReopen func(Reopening)
	// Monitor publishes the state of the stream. May be nil.
	Monitor *Monitor
}

// Updates returns the updates after an offset, from a stream that it opens with open
// and reopens. It never skips or repeats an update; the package documentation says
// what that requires across restarts of the process.
//
// An error is the last element: a *[StoppedError], a *[BackwardsError], a *[RewoundError], or one
// that unwraps to the error of ctx. After the last update of a range with an end there is no error.
//
// A second loop over the same sequence continues where the first one stopped. An
// update whose body has panicked is delivered again, and errors of the first loop do not
// count for the second. Two loops at the same time are
// Misused.
func Updates[M any](ctx context.Context, begin Offset, open Open[M], o Options[M]) iter.Seq2[Update[M], error] {
	s := newStream(ctx, begin, open, o)
	return s.loop
}

// stream is what a sequence of updates remembers.
type stream[M any] struct {
	ctx      context.Context //nolint:containedctx // the caller's, for each loop over the sequence
	open     Open[M]
	o        Options[M]
	busy     chan struct{} // holds a token while a loop runs
	at       Offset        // everything up to it has been delivered
	witness  witness       // of the last update of it
	reopener reopener
	silence  bool  // whether silence is looked for
	empty    int   // how often in a row a range with an end was closed without a message
	fault    error // a mistake in what the caller has given
}

func newStream[M any](ctx context.Context, begin Offset, open Open[M], o Options[M]) *stream[M] {
	s := &stream[M]{ctx: ctx, open: open, o: o, at: begin, busy: make(chan struct{}, 1)}
	s.reopener = newReopener(o.Node, o.DropToken, func(r Reopening) {
		o.Monitor.reopening(r)
		if o.OnReopen != nil {
			o.OnReopen(r)
		}
	})
	s.fault = s.check()
	s.silence = s.fault == nil && o.Node.LedgerEnd != nil && s.mayHaveCheckpoints()
	return s
}

// loop is the sequence.
func (s *stream[M]) loop(yield func(Update[M], error) bool) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	default:
		yield(Update[M]{}, &StoppedError{Cause: Misused, Err: errors.New("another loop over this sequence is running")})
		return
	}
	s.reopener.retries, s.empty = newRetries(), 0 // what an earlier loop has met does not count
	s.o.Monitor.opened(s.at)
	defer s.o.Monitor.closed()
	if err := s.run(yield); err != nil {
		yield(Update[M]{}, err)
	}
}

// run opens the stream again and again. It returns nil if the loop body has stopped, or at the end of
// the range.
func (s *stream[M]) run(yield func(Update[M], error) bool) error {
	if s.fault != nil {
		return stopped(s.at, Misused, s.fault)
	}
	for !s.rangeRead() {
		done, err := s.once(yield)
		if done {
			return err
		}
		switch cause := react(err).cause; {
		case cause == AfterLedgerEnd:
			s.witness.wanted = true
		case cause == Pruned && s.witness.asked: // what comes after it may be there yet
			s.witness = witness{}
			continue
		}
		if err := s.reopener.again(s.ctx, s.at, err); err != nil {
			return err
		}
	}
	return nil
}

// once opens the stream once and delivers its messages. It is done if it is not to be
// reopened.
func (s *stream[M]) once(yield func(Update[M], error) bool) (done bool, err error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	watch := s.watch(ctx, cancel)
	defer watch.stop()
	defer cancel(nil)
	receiver, err := receive(ctx, s.open, s.begin())
	if err != nil {
		return isStopped(err), err
	}
	s.o.Monitor.connected(true)
	defer s.o.Monitor.connected(false)
	opened := time.Now()
	for !s.rangeRead() {
		watch.listen(s.at)
		msg, err := receiver.Recv()
		watch.pause()
		if err != nil {
			s.reopener.lasted(time.Since(opened))
			if cause := context.Cause(ctx); cause == errSilent { //nolint:errorlint // it is that very value
				return false, cause
			}
			if err == io.EOF && s.rangeEnded() { //nolint:errorlint // a wrapped one may be a connection that was cut
				return true, nil
			}
			return false, err
		}
		if more, err := s.deliver(msg, watch, yield); !more {
			return true, err
		}
	}
	return true, nil
}

// deliver passes one message to the loop body, unless it was delivered before. There
// are no more if the body has stopped, or with an error.
func (s *stream[M]) deliver(msg M, watch *watch, yield func(Update[M], error) bool) (more bool, err error) {
	at, err := s.position(msg, watch)
	if err != nil {
		return false, stopped(s.at, BadMessage, err)
	}
	s.reopener.proven = true
	if s.witness.asked {
		if known, err := s.witness.check(at, s.at); known || err != nil {
			return err == nil, s.rewound(err)
		}
	}
	order := at.last.Compare(s.at)
	switch {
	case at.empty:
		at.first, at.last = s.at, s.at
	case order < 0:
		return false, &BackwardsError{Last: s.at, Got: at.last}
	case order == 0 && !at.checkpoint:
		s.o.Monitor.repeated()
		return true, nil
	case at.first != at.last && at.first.Compare(s.at) <= 0:
		return false, &BackwardsError{Last: s.at, Got: at.first}
	}
	if order > 0 { // a checkpoint of where the stream is already is no progress
		s.reopener.retries.progress()
		s.empty = 0
		s.witness.note(at)
	}
	delivered := time.Now()
	more = yield(Update[M]{Msg: msg, Offset: at.last, Checkpoint: at.checkpoint}, nil)
	if more && at.checkpoint && s.o.OnCheckpoint != nil {
		if err := s.o.OnCheckpoint(s.ctx, at.last); err != nil {
			return false, stopped(s.at, CheckpointFailed, err)
		}
	}
	s.at = at.last
	s.o.Monitor.passed(at, delivered)
	return more, nil
}

// rewound makes the error of a ledger that has caught up with other updates than those that were
// delivered.
func (s *stream[M]) rewound(err error) error {
	if err == nil {
		return nil
	}
	return s.reopener.rewound(s.ctx, s.at, err)
}

// position reads where a message is.
func (s *stream[M]) position(msg M, watch *watch) (position, error) {
	if protopath.IsNil(msg) {
		return position{}, errNilMessage
	}
	if s.o.Position != nil {
		offset, checkpoint, err := s.o.Position(msg)
		if err == nil && offset.IsZero() {
			err = errors.New("Options.Position has returned no offset")
		}
		return position{first: offset, last: offset, checkpoint: checkpoint}, err
	}
	m := protopath.Reflected(msg)
	if s.silence && !hasCheckpoints(m.Descriptor().FullName()) {
		s.silence = false
		watch.off()
	}
	return locate(m)
}

// rangeRead reports whether there is an end, and everything up to it has been
// delivered.
func (s *stream[M]) rangeRead() bool { return !s.o.End.IsZero() && s.at.Compare(s.o.End) >= 0 }

// rangeEnded reports whether a stream that the server has closed before its last
// offset has nevertheless reached the end of the range: the last update that passes
// the filter may be well before the end. It has if the stream was closed three times in a
// row before it delivered a message, and the ledger has reached the end, as far as there
// is a Node.LedgerEnd to tell.
func (s *stream[M]) rangeEnded() bool {
	if s.o.End.IsZero() {
		return false
	}
	s.empty++
	if s.empty <= 2 {
		return false
	}
	if s.o.Node.LedgerEnd == nil {
		return true
	}
	end, err := s.reopener.ledgerEnd(s.ctx)
	return err == nil && end.Compare(s.o.End) >= 0
}
