package cantonlb_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// The credentials of a call return after its caller has given it up.
func TestACallThatWasLeftAloneIsNotSentAndWritesNothing(t *testing.T) {
	for name, call := range map[string]func(context.Context, *cantonlb.Client, ...grpc.CallOption) error{
		"unary": func(ctx context.Context, c *cantonlb.Client, opts ...grpc.CallOption) error {
			return c.Invoke(ctx, lbtest.EchoMethod, wrapperspb.String("x"), new(wrapperspb.StringValue), opts...)
		},
		"stream": func(ctx context.Context, c *cantonlb.Client, opts ...grpc.CallOption) error {
			_, err := lbtest.Ticks(ctx, c, time.Second, opts...)
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
			client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent}, 1)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*ms, cancel)
			release := make(chan struct{})
			var header, trailer metadata.MD
			var p peer.Peer
			err := call(ctx, client, grpc.PerRPCCredentials(deaf{release}), grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p))
			require.Error(t, err, name)
			close(release)
			synctest.Wait()
			time.Sleep(time.Second)
			assert.Nil(t, p.Addr, name)
			assert.Nil(t, header, name)
			assert.Nil(t, trailer, name)
			assert.Zero(t, cluster.Calls(0), name)
		})
	}
}

// slowCodec takes a second to decode.
type slowCodec struct {
	encoding.CodecV2

	decoded *atomic.Bool
}

func (c slowCodec) Unmarshal(data mem.BufferSlice, v any) error {
	time.Sleep(time.Second)
	defer c.decoded.Store(true)
	return c.CodecV2.Unmarshal(data, v)
}

// A call that has been sent may be writing its reply when its context ends.
func TestACallThatWasSentIsNotLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		release := make(chan struct{})
		close(release)
		var decoded atomic.Bool
		_ = client.Invoke(ctx, lbtest.EchoMethod, wrapperspb.String("x"), new(wrapperspb.StringValue),
			grpc.PerRPCCredentials(deaf{release}), grpc.ForceCodecV2(slowCodec{encoding.GetCodecV2(proto.Name), &decoded}))
		assert.True(t, decoded.Load())
	})
}
