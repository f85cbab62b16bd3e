package ledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// seedCount is how many seeds the property tests try: go test ./ledger -run RandomFaults -seeds 10.
var seedCount = flag.Uint64("seeds", 1, "how many seeds the property tests try")

// seeds are what the property tests begin with.
func seeds() []uint64 {
	var all []uint64
	for seed := range *seedCount {
		all = append(all, seed+1)
	}
	return all
}

// size is how much a property test does.
func size(whole int) int {
	if testkit.RaceDetector {
		return whole / testkit.Size(10, 20, 50)
	}
	return whole / testkit.Size(1, 4, 50)
}

// Whatever a server does to its streams, each update is delivered once and in order.
func TestRandomFaultsCostNoUpdate(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				n := newNode(t)
				n.delay = 10 * time.Second
				want := make([]int64, 0, size(100_000))
				at := int64(0)
				for range cap(want) {
					at += 1 + random.Int64N(4)
					want = append(want, at)
				}
				var faults atomic.Int64
				n.stream = func(turn int, s *serverStream) error {
					faults.Add(1)
					return randomFault(rand.New(rand.NewPCG(seed, uint64(turn)+1)), s)
				}
				written := make(chan struct{})
				go func() {
					defer close(written)
					for chunk := range slices.Chunk(want, 500) {
						n.add(chunk...)
						time.Sleep(500 * time.Millisecond)
					}
				}()
				got := make([]int64, 0, len(want))
				begin, stored := Offset{}, Offset{}
				for len(got) < len(want) { // the process stops now and then, and begins after what it has stored
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(100))*time.Second)
					for u, err := range Updates(ctx, begin, n.updates, Options[*dynamicpb.Message]{
						Node: NodeOf(n.conn), OnCheckpoint: func(_ context.Context, o Offset) error { stored = o; return nil },
					}) {
						if err != nil {
							require.ErrorIs(t, err, context.DeadlineExceeded)
							break
						}
						if !u.Checkpoint {
							got, stored = append(got, u.Offset.Int64()), u.Offset
						}
						if len(got) == len(want) {
							break
						}
					}
					cancel()
					begin = stored
				}
				<-written
				assert.True(t, slices.Equal(want, got), "no gap and no repetition")
				t.Logf("%d updates, %d faults", len(got), faults.Load())
				assert.Greater(t, int(faults.Load()), len(want)/1000)
			})
		})
	}
}

// randomFault sends some updates, and ends the stream in one of the ways that streams end.
func randomFault(random *rand.Rand, s *serverStream) error {
	if random.IntN(3) > 0 { // or nothing is sent at all
		_ = s.tail(random.IntN(400))
	}
	switch random.IntN(13) {
	case 0:
		return nil
	case 1:
		return status.Error(codes.Unavailable, "gone")
	case 2:
		return status.Error(codes.Canceled, "Node is shutting down")
	case 3:
		return damlError(codes.Aborted, "ACCESS_TOKEN_EXPIRED", 2, time.Second)
	case 4:
		return damlError(codes.Aborted, "SERVER_OVERLOADED", 2, time.Second)
	case 5:
		return status.Error(codes.Unimplemented, "passive")
	case 6:
		return damlError(codes.OutOfRange, "OFFSET_AFTER_LEDGER_END", 12, time.Second)
	case 7:
		return status.Error(codes.Internal, "RST_STREAM")
	case 8:
		if s.sent > 0 { // once in a row
			return status.Error(codes.Unauthenticated, "expired")
		}
	case 9: // the last update again, and on
		if s.sent > 0 {
			_ = s.SendMsg(transaction(s.at))
		}
		_ = s.tail(50)
	case 10:
		return s.silent()
	case 11: // a checkpoint of what was sent
		_ = s.SendMsg(checkpoint(max(s.at, 1)))
		_ = s.tail(50)
	default:
		_ = s.tail(100)
	}
	return lost
}

// Whatever happens to attempts, each command is executed at most once, and what Submit says is what the
// store says.
func TestRandomFaultsExecuteNoCommandTwice(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				n.ledger.treat = func(s *submitted) treatment { return randomTreatment(seed, s) }
				submitter := n.submitter(true)
				total := size(10_000)
				jobs := make(chan int)
				var mu sync.Mutex
				counts := make(map[string]int)
				attempts := 0
				var wg sync.WaitGroup
				for range 50 {
					wg.Go(func() {
						for i := range jobs {
							id := fmt.Sprint("command-", i)
							method, request := "SubmitAndWait", command(id)
							switch i % 5 {
							case 3:
								method, request = "Submit", commandFor("SubmitRequest", id)
							case 4:
								method, request = "SubmitAndWaitForTransaction", commandFor("SubmitAndWaitForTransactionRequest", id)
							}
							ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
							_, outcome, err := Submit(ctx, submitter, n.caller(method), request, options{})
							cancel()
							said := n.checkOutcome(t, id, outcome, err)
							mu.Lock()
							counts[said]++
							attempts += outcome.Attempts
							mu.Unlock()
						}
					})
				}
				for i := range total {
					jobs <- i
				}
				close(jobs)
				wg.Wait()
				time.Sleep(5 * time.Minute) // what is under way comes to its end
				for id, times := range n.executions() {
					assert.Equal(t, 1, times, "%s was executed twice", id)
				}
				t.Logf("%d commands, %d attempts: %v", total, attempts, counts)
				assert.Greater(t, counts["executed"], total/2)
			})
		})
	}
}

// checkOutcome compares what Submit has said with the store.
func (n *fakeNode) checkOutcome(t *testing.T, id string, outcome Outcome, err error) string {
	t.Helper()
	n.mu.Lock()
	change := fmt.Sprint("alice", []string{"Bob", "Alice"}, id)
	times, record := n.ledger.times[change], n.ledger.executed[change]
	inFlight := n.ledger.inFlight[change]
	n.mu.Unlock()
	var not *NotExecutedError
	var unknown *UnknownOutcomeError
	switch {
	case err == nil:
		assert.Equal(t, 1, times, "%s: said to be executed", id)
		assert.False(t, outcome.Earlier, id)
		if !outcome.CompletionOffset.IsZero() {
			assert.Equal(t, record.offset, outcome.CompletionOffset.Int64(), id)
		}
		assert.Equal(t, updateID(record.offset), outcome.UpdateID, id)
		return "executed"
	case errors.As(err, &not):
		assert.Zero(t, times, "%s: said not to be executed", id)
		assert.False(t, inFlight, "%s: said not to be executed, and may yet be", id)
		return "not executed"
	case errors.As(err, &unknown):
		return "unknown"
	default:
		t.Errorf("%s: %v", id, err)
		return "error"
	}
}

// randomTreatment is that of one attempt: mostly it is executed.
func randomTreatment(seed uint64, s *submitted) treatment {
	var number uint64
	_, _ = fmt.Sscanf(s.command, "command-%d", &number)
	random := rand.New(rand.NewPCG(seed, number<<8|uint64(s.turn)))
	var takes time.Duration
	if random.IntN(2) == 0 {
		takes = time.Duration(random.IntN(3000)) * time.Millisecond
	}
	var reject error
	switch random.IntN(8) {
	case 0:
		reject = contended
	case 1:
		if random.IntN(4) == 0 {
			reject = consumed
		}
	}
	retry := time.Duration(random.IntN(1500)) * time.Millisecond
	anyError := []error{
		lost, status.Error(codes.Canceled, "Node is shutting down"), status.Error(codes.Internal, "RST_STREAM"),
		damlError(codes.DeadlineExceeded, "REQUEST_TIME_OUT", 3, retry), damlError(codes.Unavailable, "ABORTED_DUE_TO_SHUTDOWN", 1, retry),
		status.Error(codes.Unknown, "proxy"), status.Error(codes.Aborted, "proxy"),
		damlError(codes.Aborted, "SUBMISSION_DURING_SHUTDOWN", 2, retry),
	}
	refusals := append(slices.Clip(anyError),
		passive, damlError(codes.Aborted, "PARTICIPANT_BACKPRESSURE", 2, retry), status.Error(codes.Unimplemented, "passive"),
		damlError(codes.FailedPrecondition, "NOT_CONNECTED_TO_ANY_SYNCHRONIZER", 9, 0),
	)
	switch random.IntN(10) {
	case 0, 1:
		return treatment{before: refusals[random.IntN(len(refusals))]}
	case 2, 3:
		return treatment{lose: anyError[random.IntN(len(anyError))], takes: takes, reject: reject}
	case 4:
		if random.IntN(5) == 0 {
			return treatment{hang: true, takes: takes, reject: reject}
		}
		if s.turn > 0 && random.IntN(2) == 0 {
			return treatment{before: consumed} // interpreted before duplicates are looked for
		}
	}
	return treatment{takes: takes, reject: reject}
}
