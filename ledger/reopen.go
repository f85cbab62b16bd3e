package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// errNilMessage is the error of a stream that returns neither a message nor an error.
var errNilMessage = errors.New("the stream has returned a nil message and no error")

// reopener decides what comes after an error of a stream. It is used by one goroutine; the facts are
// shared with the watch.
type reopener struct {
	node      Node
	dropToken func() // may be nil
	tell      func(Reopening)
	retries   retries
	proven    bool // the stream has brought a message, so that its method exists
	facts     *facts
}

func newReopener(node Node, dropToken func(), tell func(Reopening)) reopener {
	return reopener{node: node, dropToken: dropToken, tell: tell, retries: newRetries(), facts: new(facts)}
}

// lasting is how long a stream has to be open for its error to be the first in a row, although it has
// brought nothing: an idle ledger sends nothing, and a proxy may cut an idle stream with any error.
const lasting = patience / 2

// lasted reports how long the stream was open.
func (r *reopener) lasted(open time.Duration) {
	if open >= lasting {
		r.retries.progress()
	}
}

// again waits until the stream is to be opened again, after an error that ended it behind an offset.
// It returns an error if it is not.
func (r *reopener) again(ctx context.Context, at Offset, err error) error {
	what := "the stream after offset " + at.shown()
	if ended := interrupted(ctx, what, err); ended != nil {
		return ended
	}
	reaction := react(err)
	if reaction.cause == Unimplemented && r.proven { // by a passive replica
		reaction.response = reopen
	}
	pause, again := r.retries.next(reaction, time.Now())
	if !again {
		if reaction.cause == AfterLedgerEnd {
			return r.rewound(ctx, at, err)
		}
		return stopped(at, reaction.cause, err)
	}
	if reaction.cause == Unauthenticated && r.dropToken != nil {
		r.dropToken()
	}
	r.tell(Reopening{Cause: reaction.cause, Err: err, Last: at, Try: r.retries.failed, Pause: pause})
	r.node.rest(ctx, pause)
	return interrupted(ctx, what, err)
}

// rewound makes the error of a ledger that has been too short for too long.
func (r *reopener) rewound(ctx context.Context, at Offset, err error) error {
	e := &RewoundError{Last: at, Was: r.facts.participant(), Err: err}
	if r.node.LedgerEnd != nil {
		e.End, _ = r.ledgerEnd(ctx) // the zero Offset if it is not known
	}
	if ask := r.node.ParticipantID; ask != nil {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		if id, err := ask(ctx); err == nil {
			e.Is = id
		}
	}
	return e
}

// ledgerEnd reads the end of the ledger once, with Node.LedgerEnd, which there must be.
func (r *reopener) ledgerEnd(ctx context.Context) (Offset, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return r.node.LedgerEnd(ctx)
}

// receive opens a stream.
func receive[M any](ctx context.Context, open Open[M], at Offset) (Receiver[M], error) {
	receiver, err := open(ctx, at)
	if err == nil && protopath.IsNil(receiver) {
		return nil, stopped(at, Misused, errors.New("open has returned a nil receiver and no error"))
	}
	return receiver, err
}

func stopped(at Offset, cause Cause, err error) error {
	return &StoppedError{Last: at, Cause: cause, Err: err}
}

// isStopped reports whether an error already says that the stream cannot continue.
func isStopped(err error) bool {
	var e *StoppedError
	return errors.As(err, &e)
}
