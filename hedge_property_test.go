package cantonlb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// planned is what happens to the attempts of a call at one endpoint.
type planned struct {
	after  time.Duration // when they end
	code   codes.Code
	sickAt time.Duration // when the endpoint becomes unhealthy; 0 means never
}

// callPlan is what happens to one call.
type callPlan struct {
	endpoints  []planned // in the order in which they are picked
	most       int
	idempotent bool
	budget     float64 // retries a second
	deadline   time.Duration
}

func drawCall(t *rapid.T) callPlan {
	step := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(1, 20).Draw(t, "10 ms")) * 10 * time.Millisecond
	})
	endpoint := rapid.Custom(func(t *rapid.T) planned {
		p := planned{after: step.Draw(t, "after")}
		p.code = rapid.SampledFrom([]codes.Code{
			codes.OK, codes.Unavailable, codes.Unavailable, codes.NotFound, codes.Internal, codes.DeadlineExceeded,
		}).Draw(t, "code")
		if p.code == codes.DeadlineExceeded {
			p.after = time.Hour // it hangs
		}
		if rapid.IntRange(0, 2).Draw(t, "sick") == 0 {
			p.sickAt = step.Draw(t, "sick at")
		}
		return p
	})
	return callPlan{
		endpoints: rapid.SliceOfN(endpoint, 1, 5).Draw(t, "endpoints"), most: rapid.IntRange(1, 4).Draw(t, "most"),
		idempotent: rapid.IntRange(0, 7).Draw(t, "idempotent") > 0,
		budget:     rapid.SampledFrom([]float64{-1, 0.2, 100}).Draw(t, "budget"),
		deadline:   rapid.SampledFrom([]time.Duration{150 * time.Millisecond, time.Second}).Draw(t, "deadline"),
	}
}

// made is an attempt that was made.
type made struct {
	endpoint        int
	hedge, canceled bool
	began, ended    time.Duration
	code            codes.Code
}

// channel stands for a channel with the endpoints of a plan.
type channel struct {
	callPlan

	start time.Time

	mu       sync.Mutex
	inFlight map[*attempt.Record]int // to its endpoint
	made     []*made
}

func (c *channel) now() time.Duration { return time.Since(c.start) }

func (c *channel) eligible(i int) bool {
	at := c.endpoints[i].sickAt
	return at == 0 || c.now() < at
}

func (c *channel) anyEligible() bool {
	for i := range c.endpoints {
		if c.eligible(i) {
			return true
		}
	}
	return false
}

// choose returns the endpoint of an attempt, or an error.
func (c *channel) choose(r *attempt.Record) (int, error) {
	tried := -1
	for i := range c.endpoints {
		switch {
		case !c.eligible(i):
		case !r.Tried(fmt.Sprint(i)):
			return i, nil
		case tried < 0:
			tried = i
		}
	}
	switch {
	case r.IsHedge():
		return 0, status.Error(codes.Unavailable, "no other")
	case tried < 0:
		r.Refused(func() error { return errors.New("none is eligible") })
		return 0, status.Error(codes.Unavailable, "none is eligible")
	default:
		return tried, nil
	}
}

func (c *channel) begin(ctx context.Context, r *attempt.Record) (*made, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.MayTry() {
	case attempt.Spent:
		return nil, status.Error(codes.Unavailable, "spent")
	case attempt.CalledOff:
		return nil, status.Error(codes.Canceled, "called off")
	case attempt.Try:
	}
	i, err := c.choose(r)
	if err != nil {
		return nil, err
	}
	if !r.Picked(ctx, fmt.Sprint(i), "") {
		return nil, status.Error(codes.Unavailable, "no budget")
	}
	m := &made{endpoint: i, hedge: r.IsHedge(), began: c.now()}
	c.made = append(c.made, m)
	c.inFlight[r] = i
	return m, nil
}

// invoke is a grpc.UnaryInvoker.
func (c *channel) invoke(ctx context.Context, _ string, _, reply any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
	r := attempt.From(ctx)
	m, err := c.begin(ctx, r)
	if err != nil {
		return err
	}
	p := c.endpoints[m.endpoint]
	info := balancer.DoneInfo{BytesSent: true}
	select {
	case <-ctx.Done():
		info.Err = status.FromContextError(ctx.Err()).Err()
	case <-time.After(p.after):
		info.BytesReceived = true
		if p.code != codes.OK {
			info.Err = status.Error(p.code, "as planned")
		}
	}
	by := fmt.Sprint("endpoint ", m.endpoint)
	if message, ok := reply.(*wrapperspb.StringValue); ok && info.Err == nil {
		message.Value = by
	}
	for _, o := range opts {
		if o, ok := o.(grpc.HeaderCallOption); ok {
			*o.HeaderAddr = metadata.Pairs("by", by)
		}
	}
	c.mu.Lock()
	delete(c.inFlight, r)
	m.ended, m.code, m.canceled = c.now(), status.Code(info.Err), !info.BytesReceived
	c.mu.Unlock()
	r.Done(info) //nolint:contextcheck // the attempt has its own context
	return info.Err
}

// fallSick rescues the calls on each endpoint when it becomes unhealthy.
func (c *channel) fallSick() {
	for i, p := range c.endpoints {
		if p.sickAt == 0 {
			continue
		}
		time.AfterFunc(p.sickAt, func() {
			c.mu.Lock()
			var there []*attempt.Record
			for r, at := range c.inFlight {
				if at == i && c.anyEligible() {
					there = append(there, r)
				}
			}
			c.mu.Unlock()
			for _, r := range there {
				r.Rescue(fmt.Sprint(i))
			}
		})
	}
}

// callEnd is how a call ended.
type callEnd struct {
	err    error
	took   time.Duration
	reply  string
	header []string
	totals attempt.Totals
}

// wrong returns what must not be, "" if there is nothing.
func (c *channel) wrong(e callEnd) string {
	code := status.Code(e.err)
	answered := func(want codes.Code) bool {
		return slices.ContainsFunc(c.made, func(m *made) bool { return m.code == want && !m.canceled && m.ended <= e.took })
	}
	switch {
	case len(c.inFlight) > 0:
		return "something goes on after the call"
	case len(c.made) > c.most:
		return "too many attempts"
	case !c.idempotent && len(c.made) > 1:
		return "sent twice"
	case code == codes.Canceled:
		return "canceled, although the caller did not cancel it"
	case code == codes.OK && (!answered(codes.OK) || len(e.header) != 1 || e.header[0] != e.reply):
		return fmt.Sprintf("the reply is mixed: %q, header %q", e.reply, e.header)
	case code == codes.OK:
		return ""
	case code == codes.NotFound:
		if !answered(codes.NotFound) {
			return "an answer that nothing gave"
		}
		return ""
	case answered(codes.OK):
		return "failed, although an attempt succeeded"
	case e.took >= c.deadline:
		return ""
	}
	for _, m := range c.made {
		if m.canceled && (m.hedge || m.ended >= e.took) {
			return fmt.Sprintf("failed, although attempt %+v was under way", *m)
		}
	}
	if code == codes.Unavailable && c.idempotent && len(c.made) < c.most && c.anyEligible() && e.totals.Refused+e.totals.HedgesRefused == 0 {
		return "failed, although another attempt was allowed"
	}
	return ""
}

// Whatever happens to the attempts of a call, and whichever endpoints become unhealthy
// when, the call ends as well as its attempts allow.
func TestACallEndsAsWellAsItsAttemptsAllow(t *testing.T) {
	cc, err := grpc.NewClient("passthrough:///unused", grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer cc.Close()
	const method = "/a.B/C"
	run := func(plan callPlan) (wrong string) {
		synctest.Test(t, func(t *testing.T) {
			var names []string
			if plan.idempotent {
				names = []string{method}
			}
			idempotent, err := newIdempotency(names, nil)
			require.NoError(t, err)
			r := newRescuer(Config{
				MaxAttempts: plan.most, Hedge: &Hedge{Delay: 20 * time.Millisecond}, RetryBudget: RetryBudget{Share: -1, PerSecond: plan.budget},
			}, settled{idempotent: idempotent, policy: HealthyRoundRobin})
			c := &channel{callPlan: plan, start: time.Now(), inFlight: make(map[*attempt.Record]int)}
			c.fallSick()
			ctx, cancel := context.WithTimeout(t.Context(), plan.deadline)
			defer cancel()
			reply := new(wrapperspb.StringValue)
			var header metadata.MD
			err = r.unary(ctx, method, wrapperspb.String("x"), reply, cc, c.invoke, grpc.Header(&header))
			c.mu.Lock()
			defer c.mu.Unlock()
			e := callEnd{err, c.now(), reply.GetValue(), header.Get("by"), r.tally.Totals()}
			if wrong = c.wrong(e); wrong != "" {
				wrong = fmt.Sprintf("%s: %+v", wrong, e)
				for _, m := range c.made {
					wrong += fmt.Sprintf("\n%+v", *m)
				}
			}
		})
		return wrong
	}
	rapid.Check(t, func(t *rapid.T) {
		plan := drawCall(t)
		if wrong := run(plan); wrong != "" {
			t.Fatalf("%s\nof %+v", wrong, plan)
		}
	})
}
