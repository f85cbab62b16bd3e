package lbtest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func TestTheSameClientCodeWorksWithGRPCJS(t *testing.T) {
	js := startGRPCJS(t)
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", js.port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	ctx := testkit.Context(t)

	reply, err := lbtest.Echo(ctx, conn, "hello", grpc.WaitForReady(true))
	require.NoError(t, err)
	assert.Equal(t, "hello", reply)
	name, err := lbtest.ServedBy(ctx, conn)
	require.NoError(t, err)
	assert.Equal(t, "grpcjs", name)
	ticks, err := lbtest.Ticks(ctx, conn, time.Millisecond)
	require.NoError(t, err)
	for want := range uint64(3) {
		tick, err := ticks.Recv()
		require.NoError(t, err)
		assert.Equal(t, want, tick.GetValue())
	}

	watch, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		pushed, err := watch.Recv()
		require.NoError(t, err)
		assert.Equal(t, want, pushed.GetStatus())
		got, err := check(ctx, conn, "")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	expect(healthpb.HealthCheckResponse_SERVING)
	js.say("not_serving")
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	js.say("serving")
	expect(healthpb.HealthCheckResponse_SERVING)
}

func TestCantonlbFollowsTheHealthOfAGRPCJSServer(t *testing.T) {
	js := startGRPCJS(t)
	ours := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP())
	client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{
		{Name: "js", Address: fmt.Sprintf("http://127.0.0.1:%d", js.port)},
		{Name: "go", Address: "http://" + ours.Addrs()[0]},
	}})
	require.NoError(t, err)
	defer client.Close()
	servedBy := func(healthy int) map[string]int {
		t.Helper()
		require.Eventually(t, func() bool { return client.Status().Eligible() == healthy }, testkit.Patience, time.Millisecond)
		require.NoError(t, client.WaitHealthy(testkit.Context(t), healthy))
		seen := map[string]int{}
		for range 10 {
			name, err := lbtest.ServedBy(testkit.Context(t), client)
			require.NoError(t, err)
			seen[name]++
		}
		return seen
	}
	assert.Equal(t, map[string]int{"grpcjs": 5, "server0": 5}, servedBy(2))
	assert.Equal(t, report.WatchAlive, client.Status().Endpoints[0].Probe.Watch)
	js.say("not_serving")
	assert.Equal(t, map[string]int{"server0": 10}, servedBy(1))
	assert.Equal(t, report.ReasonNotServing, client.Status().Endpoints[0].Reason)
	js.say("serving")
	assert.Equal(t, map[string]int{"grpcjs": 5, "server0": 5}, servedBy(2))
}

// grpcJS is the server of testdata/grpcjs while it runs.
type grpcJS struct {
	port int
	say  func(line string)
}

// startGRPCJS starts the server and ends it with the test.
func startGRPCJS(t *testing.T) grpcJS {
	t.Helper()

	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node in the path: install Node.js, then run `npm ci --prefix lbtest/testdata/grpcjs`")
	}
	dir := filepath.Join("testdata", "grpcjs")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skip("the grpc-js server is not installed: run `npm ci --prefix lbtest/testdata/grpcjs`")
	}

	cmd := exec.CommandContext(t.Context(), node, "server.js")
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait() // killed by the end of the test's context at the latest
	})

	var ready struct {
		Port int `json:"port"`
	}
	require.NoError(t, json.NewDecoder(bufio.NewReader(stdout)).Decode(&ready))
	say := func(line string) {
		_, err := fmt.Fprintln(stdin, line)
		require.NoError(t, err)
	}

	return grpcJS{port: ready.Port, say: say}
}
