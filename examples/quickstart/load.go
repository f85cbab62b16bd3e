package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	pb "github.com/cantonlb/cantonlb/examples/internal/recordpb"
)

// callTimeout is the deadline of each call, retries included. It is long enough for a
// machine that is busy with other things.
const callTimeout = 5 * time.Second

// load makes calls at a steady rate, whether or not earlier ones have been
// answered, as many independent users do.
type load struct {
	stub  pb.RecordsClient
	tally *tally
	rate  int // calls a second
}

// run makes calls until at least duration has passed and script is closed, or until
// ctx ends; then it waits for the answers. The n-th call is due n/rate seconds
// after began, and is made at once if it is late. The number of calls therefore
// does not depend on the speed of the machine.
func (l load) run(ctx context.Context, began time.Time, duration time.Duration, script <-chan struct{}) {
	var calls sync.WaitGroup
	defer calls.Wait()
	for n := 0; ; n++ {
		due := time.Duration(n) * time.Second / time.Duration(l.rate)
		if due >= duration && isClosed(script) || waitUntil(ctx, began.Add(due)) != nil {
			return
		}
		calls.Go(func() { l.call(ctx, n) })
	}
}

// call makes one call. Ctrl-C lets it finish.
func (l load) call(ctx context.Context, n int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	reply, err := l.stub.Read(ctx, &pb.ReadRequest{Key: strconv.Itoa(n)})
	if err != nil {
		l.tally.failed(fmt.Errorf("call %d: %w", n, err))
		return
	}
	l.tally.answered(reply.GetServer())
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
