package ledger

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// Completions opens a stream of the completions after an offset, for the user and the parties of a
// change ID. [CompletionsOf] makes one of a generated stub's stream.
type Completions func(ctx context.Context, id ChangeID, beginExclusive Offset) (Receiver[proto.Message], error)

// CompletionsOf makes Completions of a function that opens a stream of one type of messages:
// CompletionStreamResponse of v1 or v2, or GetCompletionsResponse.
func CompletionsOf[M proto.Message](open func(ctx context.Context, id ChangeID, beginExclusive Offset) (Receiver[M], error)) Completions {
	if open == nil {
		return nil
	}
	return func(ctx context.Context, id ChangeID, begin Offset) (Receiver[proto.Message], error) {
		receiver, err := open(ctx, id, begin)
		if err != nil {
			return nil, err
		}
		if protopath.IsNil(receiver) {
			return nil, nil //nolint:nilnil // the stream says so
		}
		return anyReceiver[M]{receiver}, nil
	}
}

// anyReceiver is a Receiver whose messages are of any type.
type anyReceiver[M proto.Message] struct{ of Receiver[M] }

func (r anyReceiver[M]) Recv() (proto.Message, error) {
	m, err := r.of.Recv()
	if err != nil || protopath.IsNil(m) {
		return nil, err
	}
	return m, nil
}

// completion is how one submission ended.
type completion struct {
	change       ChangeID
	submissionID string
	updateID     string
	offset       Offset
	err          error // nil: executed
}

// completionsIn reads the completions that a message holds: one in v2, any number in v1.
func completionsIn(m protoreflect.Message, at Offset) []completion {
	var all []completion
	read := func(v protoreflect.Value) error {
		c, ok := v.Interface().(protoreflect.Message)
		if !ok {
			return nil
		}
		one := completion{
			change: ChangeID{
				UserID: textAt(c, "user_id") + textAt(c, "application_id"), CommandID: textAt(c, "command_id"),
				ActAs: slices.Sorted(slices.Values(textsAt(c, "act_as"))),
			},
			submissionID: textAt(c, "submission_id"), updateID: textAt(c, "update_id") + textAt(c, "transaction_id"),
			offset: at, err: statusIn(c),
		}
		all = append(all, one)
		return nil
	}
	_ = protopath.Each(m, "completion", read)
	_ = protopath.Each(m, "completions", read)
	return all
}

// statusIn returns the error of a completion, nil if there is none.
func statusIn(c protoreflect.Message) error {
	m := messageAt(c, "status")
	if m == nil {
		return nil
	}
	wired, err := proto.Marshal(m.Interface())
	if err != nil {
		return err
	}
	var s status.Status
	if err := proto.Unmarshal(wired, &s); err != nil {
		return err
	}
	return grpcstatus.FromProto(&s).Err()
}

// recordTimes returns how far each synchronizer was at a checkpoint, by ID; v1 has one, without an ID.
func recordTimes(m protoreflect.Message) map[string]time.Time {
	times := make(map[string]time.Time)
	_ = protopath.Each(m, "offset_checkpoint.synchronizer_times", func(v protoreflect.Value) error {
		if s, ok := v.Interface().(protoreflect.Message); ok {
			times[textAt(s, "synchronizer_id")] = timeAt(s, "record_time")
		}
		return nil
	})
	if t := timeAt(m, "checkpoint.record_time"); !t.IsZero() {
		times[""] = t
	}
	return times
}

// tracker follows the completions while a submission is under way.
type tracker struct {
	cancel context.CancelFunc
	done   chan struct{}

	// mu guards what follows. Nothing is called under it.
	mu      sync.Mutex
	changed chan struct{}          // closed and replaced when something comes
	of      map[string]*completion // by the submissions that are waited for; nil until it comes
	err     error                  // why there will be no more
}

// track starts to follow the completions of submissions.
func track(ctx context.Context, open Completions, p Pending, o Options[proto.Message], ids ...string) *tracker {
	ctx, cancel := context.WithCancel(ctx)
	t := &tracker{cancel: cancel, done: make(chan struct{}), changed: make(chan struct{}), of: make(map[string]*completion)}
	for _, id := range ids {
		t.expect(id)
	}
	go func() {
		defer close(t.done)
		t.follow(Updates(ctx, p.After, func(ctx context.Context, begin Offset) (Receiver[proto.Message], error) {
			return open(ctx, p.ChangeID, begin)
		}, o))
	}()
	return t
}

func (t *tracker) follow(updates func(func(Update[proto.Message], error) bool)) {
	for u, err := range updates {
		t.mu.Lock()
		t.err = err
		if err == nil {
			for _, c := range completionsIn(u.Msg.ProtoReflect(), u.Offset) {
				// A submission that the node has received twice has two completions.
				if was, expected := t.of[c.submissionID]; expected && (was == nil || was.err != nil) {
					t.of[c.submissionID] = &c
				}
			}
		}
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
	}
}

// expect has the completion of a submission kept, which is about to be made.
func (t *tracker) expect(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of[id] = nil
}

// next waits until one of the submissions has been completed. One that was executed comes first.
func (t *tracker) next(ctx context.Context, ids []string) (completion, error) {
	for {
		t.mu.Lock()
		changed, failed := t.changed, t.err
		var found *completion
		for _, id := range ids {
			if c := t.of[id]; c != nil && (found == nil || c.err == nil) {
				found = c
			}
		}
		t.mu.Unlock()
		if found != nil {
			return *found, nil
		}
		if failed != nil {
			return completion{}, errors.Join(errNoCompletion, failed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return completion{}, ctx.Err()
		}
	}
}

// errNoCompletion says that the completions cannot be read.
var errNoCompletion = errors.New("the completion stream has ended")

// stop ends it, and waits.
func (t *tracker) stop() {
	t.cancel()
	<-t.done
}
