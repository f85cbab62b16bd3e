package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/examples/internal/child"
	pb "github.com/cantonlb/cantonlb/examples/internal/recordpb"
)

const testLimit = 30 * time.Second

func TestAServersCountSurvivesSIGKILLAndItsAddressStays(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	s := startServer(ctx, t)
	addr := s.addr

	read(ctx, t, addr, 3)
	require.NoError(t, s.kill())
	awaitEnd(ctx, t, s.process)
	assert.EqualValues(t, 3, s.arrived.Load())

	require.NoError(t, s.start(ctx))
	assert.Equal(t, addr, s.addr)
	read(ctx, t, addr, 2)
	s.close()
	assert.EqualValues(t, 5, s.arrived.Load())
}

func TestAServerEndsWhenItsParentIsGone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	s := startServer(ctx, t)
	s.process.Close() // as when the parent dies
	assert.Zero(t, s.process.State().ExitCode())
}

func TestAServerStopsGracefullyByCommand(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	s := startServer(ctx, t)
	require.NoError(t, s.tell(commandStop))
	awaitEnd(ctx, t, s.process)
	assert.Zero(t, s.process.State().ExitCode())
	s.close()
	s.close()
}

func TestAServerThatCannotListenIsAnError(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	s := startServer(ctx, t)
	second := &server{name: "second", addr: s.addr}
	require.ErrorContains(t, second.start(ctx), "start second at "+s.addr+": exit status 1")
	second.close()

	_, err := cluster{s}.server("seq9")
	require.EqualError(t, err, "no server seq9")
}

func startServer(ctx context.Context, t *testing.T) *server {
	t.Helper()
	c, err := startCluster(ctx, "seq1")
	require.NoError(t, err)
	t.Cleanup(c.close)
	return c[0]
}

func awaitEnd(ctx context.Context, t *testing.T, p *child.Process) {
	t.Helper()
	select {
	case <-p.Ended():
	case <-ctx.Done():
		require.Fail(t, "the process has not ended")
	}
}

// read makes n calls over a connection of its own.
func read(ctx context.Context, t *testing.T, addr string, n int) {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	for range n {
		reply, err := pb.NewRecordsClient(conn).Read(ctx, &pb.ReadRequest{Key: "1"})
		require.NoError(t, err)
		assert.Equal(t, "seq1", reply.GetServer())
	}
}
