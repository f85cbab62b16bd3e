package faulttest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

// wrongStream asks for another call's messages.
type wrongStream struct{ grpc.ClientStream }

func (s wrongStream) SendMsg(any) error { return s.ClientStream.SendMsg(wrapperspb.UInt64(4711)) }

// sinner makes a bench whose client does what it must not.
func sinner(t *testing.T, sin func(*cantonlb.Config), opts ...grpc.DialOption) *run {
	t.Helper()
	b := newBench(t, setUp{change: sin, dial: opts})
	ctx := testkit.Context(t)
	require.NoError(t, b.Client.WaitHealthy(ctx, Servers))
	return &run{bench: b}
}

func (r *run) violations(t *testing.T) []string {
	t.Helper()
	list, n := r.bench.Witness.Violations()
	assert.Len(t, list, n)
	return list
}

func TestTheWitnessNoticesAWriteThatIsMadeAgain(t *testing.T) {
	r := sinner(t, func(c *cantonlb.Config) { c.Idempotent = []string{writeMethod} })
	for i := range Servers {
		r.bench.Cluster.FailCalls(i, codes.Unavailable, "half dead")
	}
	r.write(t.Context())
	assert.Equal(t, []string{
		"/faulttest.Ledger/Write: call 1 has arrived twice", "/faulttest.Ledger/Write: call 1 has arrived twice",
	}, r.violations(t))
}

func TestTheWitnessNoticesAReadThatIsLost(t *testing.T) {
	r := sinner(t, func(*cantonlb.Config) {})
	for i := range Servers {
		r.bench.Cluster.FailCalls(i, codes.Unavailable, "half dead")
	}
	r.read(t.Context())
	require.Len(t, r.violations(t), 1)
	assert.Contains(t, r.violations(t)[0], "read 1 was lost after")
	assert.Equal(t, uint64(2), r.bench.Witness.again.Load(), "a read may be reissued")
}

func TestTheWitnessNoticesAnswersThatAreMixedUp(t *testing.T) {
	r := sinner(t, func(*cantonlb.Config) {}, grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string,
		_, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		return invoke(ctx, method, wrapperspb.UInt64(4711), reply, cc, opts...)
	}), grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn,
		method string, open grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		s, err := open(ctx, desc, cc, method, opts...)
		return wrongStream{s}, err
	}))
	r.read(t.Context())
	r.write(t.Context())
	r.follow(t.Context())
	list, n := r.bench.Witness.Violations()
	assert.Equal(t, 2+messages, n)
	require.Len(t, list, r.bench.Witness.most, "and no more of them are kept")
	assert.Contains(t, list[0], "read 1 was answered")
	assert.Contains(t, list[1], "write 2 was answered")
	assert.Equal(t, `stream 3: message 0 is "4711/0"`, list[2])
}

func TestTheWitnessNoticesAWriteThatIsAnsweredWithoutHavingArrived(t *testing.T) {
	r := sinner(t, func(*cantonlb.Config) {}, grpc.WithChainUnaryInterceptor(func(_ context.Context, _ string,
		req, reply any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption,
	) error {
		id, isID := req.(*wrapperspb.UInt64Value)
		answer, isAnswer := reply.(*wrapperspb.StringValue)
		assert.True(t, isID && isAnswer)
		answer.Value = answerTo(id.GetValue())
		return nil
	}))
	r.write(t.Context())
	assert.Equal(t, []string{"write 1 was answered and has not arrived"}, r.violations(t))
}

func TestTheWitnessNoticesACallThatEndsCancelledThoughNobodyCancelledIt(t *testing.T) {
	r := sinner(t, func(*cantonlb.Config) {})
	for i := range Servers {
		r.bench.Cluster.FailCalls(i, codes.Canceled, "on purpose")
	}
	r.write(t.Context())
	r.follow(t.Context())
	list := r.violations(t)
	require.Len(t, list, 2)
	assert.Contains(t, list[0], "write 1 ended CANCELLED, although it was not cancelled")
	assert.Contains(t, list[1], "stream 2 ended CANCELLED, although it was not cancelled")
}
