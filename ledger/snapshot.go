package ledger

import (
	"context"
	"errors"
	"io"
	"iter"
)

// SnapshotOptions are what a snapshot may be told.
type SnapshotOptions struct {
	// At is the offset of the snapshot. The zero value is the ledger end, for which Node.LedgerEnd
	// is asked; without that, open gets the zero Offset, and a node of v1 says at the end which
	// one it took.
	At Offset
	// Node, DropToken and OnReopen are as in [Options].
	Node      Node
	DropToken func()
	OnReopen  func(Reopening)
}

// Snapshot reads the active contracts at an offset, and returns that offset. [Updates] after it go on
// without a gap. open gets the offset of the snapshot.
//
// A snapshot cannot be gone on with: one that breaks begins again, whole, at the same offset. So
// consume is called for each try, and has to forget what it had of the one before; a database
// transaction for each does that. The last element of a try that broke is an error, which consume
// returns, wrapped or not. Any other error of consume ends the snapshot, and is returned. So does nil
// before the last contract.
//
// The errors are otherwise those of [Updates]. One that says Pruned calls for another snapshot, at a
// later offset.
func Snapshot[S any](
	ctx context.Context, open Open[S], consume func(contracts iter.Seq2[S, error]) error, o SnapshotOptions,
) (Offset, error) {
	if open == nil || consume == nil {
		return o.At, stopped(o.At, Misused, errors.New("open or consume is nil: want both"))
	}
	r := newReopener(o.Node, o.DropToken, func(what Reopening) {
		if o.OnReopen != nil {
			o.OnReopen(what)
		}
	})
	at := o.At
	for at.IsZero() && o.Node.LedgerEnd != nil {
		end, err := o.Node.LedgerEnd(ctx)
		if err == nil {
			at = end
			break
		}
		if err := r.again(ctx, at, err); err != nil {
			return at, err
		}
	}
	for {
		told, broke, err := try(ctx, at, open, consume)
		switch {
		case broke != nil && (err == nil || errors.Is(err, broke)):
			if isStopped(broke) {
				return at, broke
			}
		case err != nil:
			return at, err
		case at.IsZero():
			return told, nil
		default:
			return at, nil
		}
		if err := r.again(ctx, at, broke); err != nil {
			return at, err
		}
	}
}

// try reads the snapshot once. It returns the offset that the node has told, how the stream broke, and
// what consume says.
func try[S any](
	ctx context.Context, at Offset, open Open[S], consume func(iter.Seq2[S, error]) error,
) (told Offset, broke, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	receiver, broke := receive(ctx, open, at)
	if broke != nil {
		return told, broke, nil
	}
	over := false
	err = consume(func(yield func(S, error) bool) {
		for !over {
			var contract S
			contract, broke = receiver.Recv()
			switch {
			case errors.Is(broke, io.EOF):
				over, broke = true, nil
				return
			case broke == nil && isNil(contract):
				broke = stopped(at, BadMessage, errNilMessage)
			}
			if broke != nil {
				over = true
				yield(contract, broke)
				return
			}
			if m := reflected(contract); m != nil && at.IsZero() {
				told = offsetAt(m, "offset")
			}
			if !yield(contract, nil) {
				return
			}
		}
	})
	return told, broke, err
}
