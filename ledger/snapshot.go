package ledger

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// SnapshotOptions are the options of a snapshot.
type SnapshotOptions struct {
	// At is the offset of the snapshot. The zero value means the ledger end, which is
	// read with Node.LedgerEnd. Without that, open gets the zero Offset, and a node of
	// v1 reports the offset at the end.
	At Offset
	// Node, DropToken and OnReopen are as in [Options].
	Node      Node
	DropToken func()
	OnReopen  func(Reopening)
}

// Snapshot reads the active contracts at an offset, and returns that offset. [Updates]
// after it continue without a gap. open gets the offset of the snapshot.
//
// A snapshot cannot be resumed: one that breaks off starts again, from the beginning,
// at the same offset. So consume is called for each attempt, and must discard what it
// had of the attempt before, for example by a database transaction for each. The last
// element of an attempt that broke off is an error, which consume must return, wrapped
// or not. Any other error of consume ends the snapshot and is returned. The snapshot
// also ends if consume returns nil before the last contract.
//
// An error that may be permanent, such as INTERNAL, ends the snapshot if it has lasted
// for a minute and three attempts, of which none came further than those before.
//
// Otherwise the errors are those of [Updates]. After an error with the cause Pruned,
// read another snapshot, at a later offset.
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
		end, err := r.ledgerEnd(ctx)
		if err == nil {
			at = end
			break
		}
		if err := r.again(ctx, at, err); err != nil {
			return at, err
		}
	}
	for furthest := 0; ; {
		told, read, broke, err := try(ctx, &r, at, open, consume)
		if read > furthest {
			furthest = read
			r.retries.progress()
		}
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

// try reads the snapshot once. It returns the offset that the node has reported, how many
// messages were read, why the stream broke off, and the error of consume.
func try[S any](
	ctx context.Context, r *reopener, at Offset, open Open[S], consume func(iter.Seq2[S, error]) error,
) (told Offset, read int, broke, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	receiver, broke := receive(ctx, open, at)
	if broke != nil {
		return told, read, broke, nil
	}
	over := false
	err = consume(func(yield func(S, error) bool) {
		for !over {
			var contract S
			contract, broke = receiver.Recv()
			switch {
			case broke == io.EOF: //nolint:errorlint // a wrapped one may be a connection that was cut
				over, broke = true, nil
				return
			case broke == nil && protopath.IsNil(contract):
				broke = stopped(at, BadMessage, errNilMessage)
			}
			if broke != nil {
				over = true
				yield(contract, broke)
				return
			}
			r.proven = true
			read++
			if m := protopath.Reflected(contract); m != nil && at.IsZero() {
				told = offsetAt(m, "offset")
			}
			if !yield(contract, nil) {
				return
			}
		}
	})
	return told, read, broke, err
}
