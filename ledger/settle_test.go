package ledger

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// The completion of an earlier attempt says nothing of the one that is under way.
func TestTheRejectionOfAnEarlierAttemptIsNotThatOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := &tracker{changed: make(chan struct{}), of: map[string]*completion{
			"first": {submissionID: "first", err: contended}, "second": nil,
		}}
		x := &submission{s: &Submitter{}, ids: []string{"first", "second"}, doubted: []string{"first"}, tracker: tracker}
		time.AfterFunc(time.Second, func() {
			tracker.mu.Lock()
			defer tracker.mu.Unlock()
			tracker.of["second"] = &completion{submissionID: "second", updateID: "u"}
			close(tracker.changed)
			tracker.changed = make(chan struct{})
		})
		outcome, _, err := x.complete(t.Context(), "second")
		require.NoError(t, err)
		assert.Equal(t, "u", outcome.UpdateID)
		assert.Empty(t, x.doubted)
	})
}

// A node that has received a submission twice, such as through a proxy that repeats requests, completes
// it twice: the second time as a duplicate of itself.
func TestTheSecondCompletionOfASubmissionDoesNotReplaceItsExecution(t *testing.T) {
	completed := func(at int64, f fields) Update[proto.Message] {
		f["submission_id"] = "first"
		f["offset"] = at
		return Update[proto.Message]{Msg: v2("CompletionStreamResponse", fields{"completion": f}), Offset: At(at)}
	}
	executed := completed(1, fields{"update_id": "u"})
	again := completed(2, fields{"status": status.Convert(damlError(codes.AlreadyExists, "DUPLICATE_COMMAND", 10, 0)).Proto()})
	for name, order := range map[string][]Update[proto.Message]{"executed first": {executed, again}, "executed last": {again, executed}} {
		t.Run(name, func(t *testing.T) {
			tracker := &tracker{changed: make(chan struct{}), of: map[string]*completion{"first": nil}}
			tracker.follow(func(yield func(Update[proto.Message], error) bool) {
				for _, u := range order {
					yield(u, nil)
				}
			})
			x := &submission{s: &Submitter{}, ids: []string{"first"}, tracker: tracker}
			outcome, _, err := x.complete(t.Context(), "first")
			require.NoError(t, err)
			assert.Equal(t, Outcome{UpdateID: "u", CompletionOffset: At(1), Attempts: 1}, outcome)
		})
	}
}

// An attempt in doubt turns out to be a duplicate of somebody else's.
func TestADuplicateOfAnotherIsFoundWhileSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		duplicate := damlError(6, "DUPLICATE_COMMAND", 10, 0, "existing_submission_id", "other", "completion_offset", "4")
		tracker := &tracker{changed: make(chan struct{}), of: map[string]*completion{
			"first": {submissionID: "first", err: duplicate},
		}}
		x := &submission{s: n.submitter(true), ids: []string{"first", "second"}, doubted: []string{"first"}, tracker: tracker}
		outcome, err := x.settle(t.Context(), consumed)
		require.NoError(t, err)
		assert.Equal(t, Outcome{CompletionOffset: At(4), Attempts: 2, Earlier: true}, outcome)
	})
}
