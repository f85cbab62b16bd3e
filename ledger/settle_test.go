package ledger

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
