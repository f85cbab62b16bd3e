package ledger_test

import (
	"context"
	"errors"
	"iter"
	"log"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/ledger"
)

// What follows stands for a generated copy of the Ledger API, such as
// github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2.
type (
	getUpdatesRequest  struct{ BeginExclusive int64 }
	getUpdatesResponse struct{ proto.Message }

	getActiveContractsRequest  struct{ ActiveAtOffset int64 }
	getActiveContractsResponse struct{ proto.Message }

	completionStreamRequest struct {
		UserId         string //nolint:staticcheck // as generated
		Parties        []string
		BeginExclusive int64
	}
	completionStreamResponse struct{ proto.Message }

	submitAndWaitRequest  struct{ proto.Message }
	submitAndWaitResponse struct{ proto.Message }

	stub interface {
		GetUpdates(ctx context.Context, in *getUpdatesRequest, opts ...grpc.CallOption) (grpc.ServerStreamingClient[getUpdatesResponse], error)
		GetActiveContracts(ctx context.Context, in *getActiveContractsRequest, opts ...grpc.CallOption) (grpc.ServerStreamingClient[getActiveContractsResponse], error)
		CompletionStream(ctx context.Context, in *completionStreamRequest, opts ...grpc.CallOption) (grpc.ServerStreamingClient[completionStreamResponse], error)
		SubmitAndWait(ctx context.Context, in *submitAndWaitRequest, opts ...grpc.CallOption) (*submitAndWaitResponse, error)
	}
)

// What the program does with what it reads.
var (
	updateService     stub
	completionService stub
	commandService    stub
	client            *cantonlb.Client

	loadOffset  func() ledger.Offset
	apply       func(ledger.Update[*getUpdatesResponse]) error // and stores the offset, in one transaction
	storeOffset func(context.Context, ledger.Offset) error
	replaceAll  func(iter.Seq2[*getActiveContractsResponse, error]) error
)

func openUpdates(ctx context.Context, begin ledger.Offset) (ledger.Receiver[*getUpdatesResponse], error) {
	return updateService.GetUpdates(ctx, &getUpdatesRequest{BeginExclusive: begin.Int64()})
}

// A consumer whose work and offset are one transaction sees the effect of each update once, whatever
// stops it or the node.
func ExampleUpdates() {
	ctx := context.Background()
	var monitor ledger.Monitor // monitor.Status() for a status page
	for update, err := range ledger.Updates(ctx, loadOffset(), openUpdates, ledger.Options[*getUpdatesResponse]{
		Node:         ledger.NodeOf(client),
		OnCheckpoint: storeOffset,
		Monitor:      &monitor,
	}) {
		var stopped *ledger.StoppedError
		switch {
		case errors.As(err, &stopped) && stopped.Cause == ledger.Pruned:
			log.Fatalf("take a snapshot: %v", err)
		case err != nil:
			log.Fatal(err)
		case update.Checkpoint: // stored by OnCheckpoint
			continue
		}
		if err := apply(update); err != nil {
			log.Fatal(err)
		}
	}
}

// A consumer that begins takes the active contracts, and what came after them.
func ExampleSnapshot() {
	ctx := context.Background()
	open := func(ctx context.Context, at ledger.Offset) (ledger.Receiver[*getActiveContractsResponse], error) {
		return updateService.GetActiveContracts(ctx, &getActiveContractsRequest{ActiveAtOffset: at.Int64()})
	}
	at, err := ledger.Snapshot(ctx, open, replaceAll, ledger.SnapshotOptions{Node: ledger.NodeOf(client)})
	if err != nil {
		log.Fatal(err)
	}
	for update, err := range ledger.Updates(ctx, at, openUpdates, ledger.Options[*getUpdatesResponse]{}) {
		if err != nil {
			log.Fatal(err)
		}
		if err := apply(update); err != nil {
			log.Fatal(err)
		}
	}
}

// newSubmitter is what all submissions of the program share.
func newSubmitter() *ledger.Submitter {
	return &ledger.Submitter{
		Node: ledger.NodeOf(client),
		Completions: ledger.CompletionsOf(
			func(ctx context.Context, id ledger.ChangeID, begin ledger.Offset) (ledger.Receiver[*completionStreamResponse], error) {
				return completionService.CompletionStream(ctx, &completionStreamRequest{
					UserId: id.UserID, Parties: id.ActAs, BeginExclusive: begin.Int64(),
				})
			}),
	}
}

func ExampleSubmit() {
	submitter := newSubmitter()
	request := new(submitAndWaitRequest) // with a command ID that comes from the payment
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, outcome, err := ledger.Submit(ctx, submitter, commandService.SubmitAndWait, request, ledger.SubmitOptions[*submitAndWaitResponse]{})
	var not *ledger.NotExecutedError
	var unknown *ledger.UnknownOutcomeError
	switch {
	case err == nil:
		log.Printf("executed: update %s, after %d attempts", outcome.UpdateID, outcome.Attempts)
	case errors.Is(err, ledger.ErrEarlier):
		log.Printf("the command ID was used before, at offset %s", outcome.CompletionOffset)
	case errors.As(err, &not):
		log.Printf("certainly not executed: %v", err)
	case errors.As(err, &unknown):
		log.Printf("ask Recover, later: %v", err)
	}
}

// What is pending is stored before it is submitted, so that a crash leaves nothing open.
func ExampleRecover() {
	ctx := context.Background()
	submitter := newSubmitter()
	after, err := submitter.After(ctx)
	if err != nil {
		log.Fatal(err)
	}
	pending, err := ledger.PendingOf(new(submitAndWaitRequest), after)
	if err != nil {
		log.Fatal(err)
	}
	// Store pending, submit, crash, read it again.
	recovered, err := ledger.Recover(ctx, submitter, pending)
	if err != nil {
		log.Fatal(err)
	}
	switch recovered.Fate {
	case ledger.Executed:
		log.Printf("executed: update %s", recovered.UpdateID)
	case ledger.Lost:
		log.Print("not executed, and will not be: it may be submitted under a new command ID")
	case ledger.Unknown:
		log.Print("submit it again, under the same change ID")
	}
}
