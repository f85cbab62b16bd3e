package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/cantonerr"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	pb "github.com/cantonlb/cantonlb/examples/internal/ledgerpb"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

// budget is how long a command may take, takeovers included.
const budget = time.Minute

// connect returns the client. The role says that one of the replicas is active at a
// time. While none is active, calls wait.
func connect(endpoints []cantonlb.Endpoint) (*cantonlb.Client, error) {
	return cantonlb.NewClient(cantonlb.Config{
		Role:         cantonlb.ParticipantLedger,
		Endpoints:    endpoints,
		NoneEligible: cantonlb.Wait,
		// A command that is sent again is recognised by its id, so that it is
		// executed once.
		Idempotent: []string{pb.Ledger_Submit_FullMethodName},
	})
}

// submit executes one command, and returns how often the program itself sent it
// again, and whether it turned out to be done already.
func submit(ctx context.Context, client *cantonlb.Client, id string) (again int, alreadyDone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	stub := pb.NewLedgerClient(client)
	for {
		_, err := stub.Submit(ctx, &pb.SubmitRequest{CommandId: id, Text: "command " + id})
		switch {
		case err == nil:
			return again, false, nil
		case cantonerr.AlreadyDone(err):
			return again, true, nil
		case ctx.Err() != nil || status.Code(err) != codes.Unavailable:
			return again, false, err
		}
		again++
		if !cli.Wait(ctx, 50*time.Millisecond) {
			return again, false, err
		}
	}
}

// follow calls each with every update, once and in order, whichever replica it
// comes from, until ctx ends. It counts how often it has opened the stream.
// Replicas of one participant share their offsets, so it continues after the last
// offset that it has.
func follow(ctx context.Context, client *cantonlb.Client, each func(*pb.Update)) (opened int) {
	stub := pb.NewLedgerClient(client)
	var last int64
	for ctx.Err() == nil {
		stream, err := stub.Updates(ctx, &pb.UpdatesRequest{BeginExclusive: last})
		for opened++; err == nil; {
			var u *pb.Update
			if u, err = stream.Recv(); err == nil {
				last = u.GetOffset()
				each(u)
			}
		}
		cli.Wait(ctx, 20*time.Millisecond) // the stream was ended: by a replica that died, or by the client, to move it
	}
	return opened
}

// sums holds the counts of what the client has seen.
type sums struct {
	commands, failed, again, alreadyDone int
	longest                              time.Duration
	updates, opened, switches            int
	problems                             []error
}

// work makes the client's calls. stop ends them.
type work struct {
	client *cantonlb.Client
	out    func(string, ...any)

	submitting, following context.CancelFunc
	// Commands are begun by the submitter, so it has to end before they are waited for.
	submitter, commands, others sync.WaitGroup

	mu   sync.Mutex
	sums sums
}

// startWork submits commands at a steady rate, follows the updates and prints each
// switch.
func startWork(ctx context.Context, client *cantonlb.Client, rate int, out func(string, ...any)) *work {
	w := &work{client: client, out: out}
	submitting, stopSubmitting := context.WithCancel(ctx)
	following, stopFollowing := context.WithCancel(ctx)
	w.submitting, w.following = stopSubmitting, stopFollowing
	w.submitter.Go(func() { w.submitAll(ctx, submitting, time.Second/time.Duration(rate)) })
	w.others.Go(func() {
		opened := follow(following, client, w.seen)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sums.opened = opened
	})
	w.others.Go(func() { w.watch(following) })
	return w
}

// submitAll submits commands at the rate until submitting ends. Commands in flight
// then continue, unless ctx ends.
func (w *work) submitAll(ctx, submitting context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-submitting.Done():
			return
		case <-ticker.C:
			w.commands.Go(func() { w.submitOne(ctx, strconv.Itoa(n)) })
		}
	}
}

func (w *work) submitOne(ctx context.Context, id string) {
	began := time.Now()
	again, alreadyDone, err := submit(ctx, w.client, id)
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.sums
	s.again += again
	s.longest = max(s.longest, time.Since(began))
	if err != nil {
		s.failed++
		s.problems = append(s.problems, fmt.Errorf("command %s: %w", id, err))
		return
	}
	s.commands++
	if alreadyDone {
		s.alreadyDone++
	}
}

// seen counts an update, and checks that none was left out.
func (w *work) seen(u *pb.Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sums.updates++
	if want := int64(w.sums.updates); u.GetOffset() != want && len(w.sums.problems) == 0 {
		w.sums.problems = append(w.sums.problems, fmt.Errorf("the update with offset %d arrived in place of %d", u.GetOffset(), want))
	}
}

// watch prints each switch.
func (w *work) watch(ctx context.Context) {
	for batch := range w.client.Subscribe(ctx) {
		for _, e := range batch.Events {
			if e.Kind != cantonlb.EventSwitch || e.Switch.From == "" {
				continue
			}
			w.out("         the client: %v", e)
			w.mu.Lock()
			w.sums.switches++
			w.mu.Unlock()
		}
	}
}

// stop ends the commands, waits until the updates have caught up with them, and
// returns the counts.
func (w *work) stop() (sums, error) {
	w.submitting()
	w.submitter.Wait()
	w.commands.Wait()
	var err error
	if !w.caughtUp() {
		err = errors.New("the updates have not caught up with the commands")
	}
	w.following()
	w.others.Wait()
	return w.sums, err
}

func (w *work) caughtUp() bool {
	ctx, cancel := context.WithTimeout(context.Background(), participant.StepLimit)
	defer cancel()
	for {
		w.mu.Lock()
		done := w.sums.updates >= w.sums.commands
		w.mu.Unlock()
		if done {
			return true
		}
		if !cli.Wait(ctx, 10*time.Millisecond) {
			return false
		}
	}
}
