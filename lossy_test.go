package cantonlb_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// bulkSize is the size of a large message.
const bulkSize = 2 << 20

// bulkStream is a stream that answers each message with the same one.
var bulkStream = grpc.StreamDesc{
	StreamName: "Stream", ClientStreams: true, ServerStreams: true,
	Handler: func(_ any, stream grpc.ServerStream) error {
		for {
			m := new(wrapperspb.BytesValue)
			if err := stream.RecvMsg(m); err != nil {
				return err // io.EOF when the client has ended the stream
			}
			if err := stream.SendMsg(m); err != nil {
				return err
			}
		}
	},
}

// bulkMethod answers a message with the same one.
func bulkMethod(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // as grpc wants it
	m := new(wrapperspb.BytesValue)
	return m, decode(m)
}

func registerBulk(s *grpc.Server) {
	lbtest.RegisterEcho(s)
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Bulk", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{bulkStream},
		Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: bulkMethod}},
	}, nil)
}

// lossy returns the way of each packet through a network with a round trip of 250 ms that
// loses some. TCP sends a lost packet again after its retransmission timeout, which is that
// long at least and doubles if it is lost again; whatever follows the packet waits.
func lossy(seed uint64, share float64) func() time.Duration {
	const half, least, most = 125 * time.Millisecond, 250 * time.Millisecond, 1500 * time.Millisecond
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed))
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		d := half
		for again := least; random.Float64() < share; again *= 2 {
			d += min(again, most)
		}
		return d
	}
}

// Messages of 2 MiB, up and down: the client sees bursts of silence of up to some seconds.
func TestAServerBehindALossyNetworkIsNotCalledDead(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	if testkit.RaceDetector {
		t.Skip("the race detector itself fails with so much going on in one bubble: golang.org/issue/78156")
	}
	const messages = 20
	for name, work := range map[string]func(ctx context.Context, client *cantonlb.Client) error{
		"calls": func(ctx context.Context, client *cantonlb.Client) error {
			for range messages {
				answer := new(wrapperspb.BytesValue)
				if err := client.Invoke(ctx, "/test.Bulk/Call", wrapperspb.Bytes(make([]byte, bulkSize)), answer); err != nil {
					return err
				}
			}
			return nil
		},
		"a stream": func(ctx context.Context, client *cantonlb.Client) error {
			stream, err := client.NewStream(ctx, &bulkStream, "/test.Bulk/Stream")
			if err != nil {
				return err
			}
			for range messages {
				if err := stream.SendMsg(wrapperspb.Bytes(make([]byte, bulkSize))); err != nil {
					return err
				}
				if err := stream.RecvMsg(new(wrapperspb.BytesValue)); err != nil {
					return err
				}
			}
			return stream.CloseSend()
		},
	} {
		for seed := range uint64(4) {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const servers = 2
					cluster := lbtest.NewCluster(t, servers, registerBulk)
					client := clientkit.Connect(t, cluster, cantonlb.Config{}, servers, farAway(cluster, lossy(seed, 0.05)))
					ctx, cancel := context.WithCancel(t.Context())
					var watching sync.WaitGroup
					watching.Go(func() {
						for ctx.Err() == nil {
							assert.Positive(t, client.Status().Eligible(), "no endpoint is eligible")
							time.Sleep(10 * time.Millisecond)
						}
					})
					var wg sync.WaitGroup
					for range 2 * servers {
						wg.Go(func() { assert.NoError(t, work(ctx, client)) })
					}
					wg.Go(func() {
						for range 100 {
							_, err := lbtest.Echo(ctx, client, "small")
							assert.NoError(t, err)
							time.Sleep(100 * time.Millisecond)
						}
					})
					wg.Wait()
					cancel()
					watching.Wait()
					neverOut(t, client)
					for _, e := range client.Status().Endpoints {
						assert.Empty(t, e.ConnectionError, "its connection is the first")
					}
				})
			})
		}
	}
}
