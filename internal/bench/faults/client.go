package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// clientConfig is the configuration of a client process.
type clientConfig struct {
	Peer     string        `json:"peer"`     // id
	Servers  []string      `json:"servers"`  // their addresses, or that of its proxy
	Rate     int           `json:"rate"`     // calls a second
	Deadline time.Duration `json:"deadline"` // of each call
	Payload  int           `json:"payload"`  // bytes of each request
}

const (
	// firstCalls bounds how long a client may take until its calls are answered:
	// until inARow of them are, since a proxy that has just started assumes that all
	// servers are healthy, and one of two may be passive.
	firstCalls = 20 * time.Second
	inARow     = 10
	// firstPause is the pause after a first call that failed.
	firstPause = 50 * time.Millisecond
)

// runClient runs a client process.
func runClient(c clientConfig, in *json.Decoder, out *mouth) error {
	p, ok := peerByID(c.Peer)
	if !ok {
		return fmt.Errorf("peer %q: want one of %s", c.Peer, peerIDs())
	}
	ch, err := p.open(p.id, c.Servers)
	if err != nil {
		return err
	}
	defer ch.close() //nolint:errcheck // the process is about to end
	l := &load{conn: ch.conn, method: methodWrite, rate: c.Rate, deadline: c.Deadline, payload: wrapperspb.Bytes(make([]byte, c.Payload))}
	if p.idempotent {
		l.method = methodRead
	}
	if err := l.first(); err != nil {
		return fmt.Errorf("%s: the first calls: %w", p.id, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer l.running.Wait()
	defer stop()
	following := follow(ctx, ch)

	if err := out.say(message{Kind: saysReady, At: time.Now()}); err != nil {
		return err
	}
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return eof(err)
		}
		var err error
		at := time.Now()
		switch o.Op {
		case opBegin:
			l.begin(ctx, o.At)
		case opReplace:
			err = ch.replace(o.Servers)
		case opFinish:
			stop()
			result := l.result()
			result.Switches = <-following
			return out.say(message{Kind: saysDone, At: at, Result: result})
		default:
			err = errors.New("a client cannot " + string(o.Op))
		}
		if err := out.done(at, err); err != nil {
			return err
		}
	}
}

// follow collects the switches of a channel until ctx ends, and then returns them.
// It returns none for a channel that does not report them.
func follow(ctx context.Context, ch *channel) <-chan []switched {
	out := make(chan []switched, 1)
	if ch.switches == nil {
		out <- nil
		return out
	}
	go func() { out <- ch.switches(ctx) }()
	return out
}

// load makes calls at a steady rate, whether or not earlier ones have been
// answered, as many independent users do.
type load struct {
	conn     grpc.ClientConnInterface
	method   string
	rate     int
	deadline time.Duration
	payload  *wrapperspb.BytesValue // which the server ignores

	running sync.WaitGroup // the pacer and the calls
	began   time.Duration  // processor time used before

	mu    sync.Mutex
	calls []call
}

// first makes calls, one after the other, until inARow have been answered.
func (l *load) first() error {
	ctx, cancel := context.WithTimeout(context.Background(), firstCalls)
	defer cancel()
	for answered := 0; answered < inARow; answered++ {
		err := l.conn.Invoke(ctx, l.method, new(emptypb.Empty), new(wrapperspb.StringValue), grpc.WaitForReady(true))
		if err == nil {
			continue
		}
		answered = -1
		if sleep.Context(ctx, firstPause) != nil {
			return err
		}
	}
	return nil
}

// begin starts making calls: the n-th is due n/rate seconds after at. A late call
// is made at once, and its latency still counts from when it was due.
func (l *load) begin(ctx context.Context, at time.Time) {
	l.began = cpuTime()
	l.running.Go(func() {
		for n := 0; ; n++ {
			due := at.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
			sleepUntil(due)
			if ctx.Err() != nil {
				return
			}
			l.running.Go(func() { l.call(ctx, due) })
		}
	})
}

// call makes one call, which is not cut short when the load ends.
func (l *load) call(ctx context.Context, due time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.deadline)
	defer cancel()
	answer := new(wrapperspb.StringValue)
	err := l.conn.Invoke(ctx, l.method, l.payload, answer)
	c := call{Due: due.UnixMicro(), Took: time.Since(due).Microseconds(), Server: answer.GetValue()}
	if err != nil {
		c.Server, c.Code = "", uint32(status.Code(err))
		if c.Code == uint32(codes.OK) {
			c.Code = uint32(codes.Unknown)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// result waits for the calls in flight and returns them all.
func (l *load) result() *result {
	used := cpuTime() - l.began
	l.running.Wait()
	return &result{Calls: l.calls, CPU: used}
}
