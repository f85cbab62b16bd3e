package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/ledger"
)

// clients are the ways to submit and to follow that are compared.
var clients = []string{"ledger", "loop", "grpc"}

const (
	user  = "submitter"
	party = "Alice::1220demo"
	// budget is how long a payment may take, takeovers included.
	budget = time.Minute
	// backoff is the fixed pause of the loop that programs write by hand.
	backoff = 5 * time.Second
)

// client is one way to submit payments and to follow the updates.
type client interface {
	// pay submits a payment. An error that isUnknown means that the outcome is
	// unknown.
	pay(ctx context.Context, payment string) error
	// follow calls each with the offsets of the updates, until ctx ends.
	follow(ctx context.Context, each func(offset int64))
	close()
}

// errUnknown is the error of a payment whose outcome is unknown.
var errUnknown = errors.New("the outcome is not known")

// dial returns a client of the replicas.
func dial(name string, endpoints []cantonlb.Endpoint) (client, error) {
	if name == "ledger" {
		conn, err := cantonlb.NewClient(cantonlb.Config{Role: cantonlb.ParticipantLedger, Endpoints: endpoints})
		if err != nil {
			return nil, err
		}
		return newLedgerClient(conn), nil
	}
	addresses := make([]string, 0, len(endpoints))
	for _, e := range endpoints {
		addresses = append(addresses, strings.TrimPrefix(e.Address, "http://"))
	}
	conn, err := grpc.NewClient("static:///"+strings.Join(addresses, ","), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"pick_first": {}}]}`))
	if err != nil {
		return nil, err
	}
	return &plainClient{conn: conn, again: name == "loop"}, nil
}

// request returns the submission of a payment under a command ID.
func request(payment, commandID string) *v2.SubmitAndWaitRequest {
	return &v2.SubmitAndWaitRequest{Commands: &v2.Commands{
		UserId: user, ActAs: []string{party}, CommandId: commandID, WorkflowId: payment,
	}}
}

// ledgerClient uses this library: the command ID is derived from the payment, and
// package ledger determines the outcome.
type ledgerClient struct {
	conn      *cantonlb.Client
	submitter *ledger.Submitter
}

func newLedgerClient(conn *cantonlb.Client) *ledgerClient {
	completions := v2.NewCommandCompletionServiceClient(conn)
	return &ledgerClient{conn: conn, submitter: &ledger.Submitter{
		Node: ledger.NodeOf(conn),
		Completions: ledger.CompletionsOf(
			func(ctx context.Context, id ledger.ChangeID, begin ledger.Offset) (ledger.Receiver[*v2.CompletionStreamResponse], error) {
				return completions.CompletionStream(ctx, &v2.CompletionStreamRequest{
					UserId: id.UserID, Parties: id.ActAs, BeginExclusive: begin.Int64(),
				})
			}),
	}}
}

func (c *ledgerClient) pay(ctx context.Context, payment string) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	_, _, err := ledger.Submit(ctx, c.submitter, v2.NewCommandServiceClient(c.conn).SubmitAndWait, request(payment, payment),
		ledger.SubmitOptions[*v2.SubmitAndWaitResponse]{})
	if _, unknown := errors.AsType[*ledger.UnknownOutcomeError](err); unknown {
		return fmt.Errorf("%w: %w", errUnknown, err)
	}
	return err
}

func (c *ledgerClient) follow(ctx context.Context, each func(int64)) {
	stub := v2.NewUpdateServiceClient(c.conn)
	open := func(ctx context.Context, begin ledger.Offset) (ledger.Receiver[*v2.GetUpdatesResponse], error) {
		return stub.GetUpdates(ctx, &v2.GetUpdatesRequest{BeginExclusive: begin.Int64()})
	}
	for u, err := range ledger.Updates(ctx, ledger.At(0), open, ledger.Options[*v2.GetUpdatesResponse]{Node: ledger.NodeOf(c.conn)}) {
		if err != nil {
			return // ctx has ended
		}
		if !u.Checkpoint {
			each(u.Offset.Int64())
		}
	}
}

func (c *ledgerClient) close() { _ = c.conn.Close() }

// plainClient is plain grpc: a payment is submitted once, and the updates are read
// until their stream ends. With again it does what programs often add by hand: it
// retries after a fixed pause, under a new command ID, and reopens the stream after
// the last offset.
type plainClient struct {
	conn  *grpc.ClientConn
	again bool
}

func (c *plainClient) pay(ctx context.Context, payment string) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	stub := v2.NewCommandServiceClient(c.conn)
	for try := 1; ; try++ {
		one, stop := context.WithTimeout(ctx, 2*backoff)
		_, err := stub.SubmitAndWait(one, request(payment, fmt.Sprintf("%s-%d", payment, try)))
		stop()
		if err == nil || !c.again || !cli.Wait(ctx, backoff) {
			return err
		}
	}
}

func (c *plainClient) follow(ctx context.Context, each func(int64)) {
	stub := v2.NewUpdateServiceClient(c.conn)
	var last int64
	for {
		stream, err := stub.GetUpdates(ctx, &v2.GetUpdatesRequest{BeginExclusive: last})
		for err == nil {
			var u *v2.GetUpdatesResponse
			if u, err = stream.Recv(); err == nil {
				last = u.GetTransaction().GetOffset()
				each(last)
			}
		}
		if !c.again || !cli.Wait(ctx, backoff) {
			return
		}
	}
}

func (c *plainClient) close() { _ = c.conn.Close() }
