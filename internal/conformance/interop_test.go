package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

// patience is how long a case may take, and what it waits for.
const patience = 30 * time.Second

// fatal is a logger of grpc's that fails the test that runs, since a case that finds
// a fault calls Fatalf, which would otherwise end the process.
type fatal struct {
	grpclog.LoggerV2
	test atomic.Pointer[testing.T]
}

func (f *fatal) Fatalln(args ...any) {
	t := f.test.Load()
	t.Helper()
	t.Fatal(fmt.Sprintln(args...))
}

// interopCase is one of grpc's interop test descriptions.
type interopCase struct {
	name string
	run  func(context.Context, *cantonlb.Client)
	// unary says that all its calls are unary, so that it passes while a server hangs.
	unary bool
}

// anonymous is a client whose errors do not name the endpoint. Two cases compare
// err.Error(), to which a Client adds the endpoint; the status is the server's.
type anonymous struct{ *cantonlb.Client }

func (a anonymous) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return status.Convert(a.Client.Invoke(ctx, method, args, reply, opts...)).Err()
}

func (a anonymous) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := a.Client.NewStream(ctx, desc, method, opts...)
	return anonymousStream{stream}, err
}

type anonymousStream struct{ grpc.ClientStream }

func (s anonymousStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if errors.As(err, new(*cantonlb.AttemptError)) {
		return status.Convert(err).Err()
	}
	return err
}

// interopCases are those of grpc's interop client that need neither Google's cloud
// nor a policy of grpc's own.
func interopCases(t *testing.T) []interopCase {
	t.Helper()
	on := func(do func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)) func(context.Context, *cantonlb.Client) {
		return func(ctx context.Context, c *cantonlb.Client) { do(ctx, testgrpc.NewTestServiceClient(c)) }
	}
	onAnonymous := func(do func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)) func(context.Context, *cantonlb.Client) {
		return func(ctx context.Context, c *cantonlb.Client) { do(ctx, testgrpc.NewTestServiceClient(anonymous{c})) }
	}
	return []interopCase{
		{name: "empty_unary", run: on(interop.DoEmptyUnaryCall), unary: true},
		{name: "large_unary", run: on(interop.DoLargeUnaryCall), unary: true},
		{name: "client_streaming", run: on(interop.DoClientStreaming)},
		{name: "server_streaming", run: on(interop.DoServerStreaming)},
		{name: "ping_pong", run: on(interop.DoPingPong)},
		{name: "empty_stream", run: on(interop.DoEmptyStream)},
		{name: "timeout_on_sleeping_server", run: on(interop.DoTimeoutOnSleepingServer)},
		{name: "cancel_after_begin", run: on(interop.DoCancelAfterBegin)},
		{name: "cancel_after_first_response", run: on(interop.DoCancelAfterFirstResponse)},
		{name: "status_code_and_message", run: onAnonymous(interop.DoStatusCodeAndMessage)},
		{name: "special_status_message", run: onAnonymous(interop.DoSpecialStatusMessage), unary: true},
		{name: "custom_metadata", run: on(interop.DoCustomMetadata)},
		{name: "unimplemented_method", unary: true, run: func(ctx context.Context, c *cantonlb.Client) {
			// grpc's own function for this wants a *grpc.ClientConn.
			_, err := testgrpc.NewTestServiceClient(c).UnimplementedCall(ctx, new(testgrpc.Empty))
			assert.Equal(t, codes.Unimplemented, status.Code(err), "%v", err)
		}},
		{name: "unimplemented_service", unary: true, run: func(ctx context.Context, c *cantonlb.Client) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(c))
		}},
	}
}

// interopClient starts three interop servers with TLS and a client to them for
// which every method is idempotent. rescued counts its calls that are reissued.
func interopClient(t *testing.T, policy cantonlb.Policy) (client *cantonlb.Client, servers *lbtest.Cluster, rescued *atomic.Int32) {
	t.Helper()
	servers = lbtest.NewCluster(t, 3, func(s *grpc.Server) {
		testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
	}, lbtest.WithTLS(), lbtest.OnTCP())
	config := cantonlb.Config{
		Policy:     policy,
		Idempotent: []string{"/grpc.testing.TestService/*", "/grpc.testing.UnimplementedService/*"},
	}
	for i, name := range servers.Names() {
		s := servers.Server(i)
		config.Endpoints = append(config.Endpoints, cantonlb.Endpoint{
			Name: name, Address: s.URL(), TLS: cantonlb.TLS{RootCAPEM: s.CA().PEM()},
		})
	}
	rescued = new(atomic.Int32)
	config.OnAttempt = func(_ context.Context, e cantonlb.AttemptEvent) {
		if e.Kind == cantonlb.CallRescued {
			rescued.Add(1)
		}
	}
	client, err := cantonlb.NewClient(config)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, client.WaitHealthy(ctx, 3))
	return client, servers, rescued
}

// runAs runs the case as a subtest with this name.
func (c interopCase) runAs(t *testing.T, name string, client *cantonlb.Client) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		logger.test.Store(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c.run(ctx, client)
	})
}

func TestInteropCasesPassOverTLSWithRescueOn(t *testing.T) {
	for _, policy := range []cantonlb.Policy{cantonlb.HealthyRoundRobin, cantonlb.ActivePassive} {
		t.Run(string(policy), func(t *testing.T) {
			client, servers, rescued := interopClient(t, policy)
			for _, c := range interopCases(t) {
				// Three times, so that round robin asks each server.
				for i := range servers.Len() {
					c.runAs(t, fmt.Sprintf("%s/%d", c.name, i+1), client)
				}
			}
			assert.Zero(t, rescued.Load(), "nothing was wrong with a server")
		})
	}
}

func TestUnaryInteropCasesPassWhileAServerHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	for _, policy := range []cantonlb.Policy{cantonlb.HealthyRoundRobin, cantonlb.ActivePassive} {
		t.Run(string(policy), func(t *testing.T) {
			for _, c := range interopCases(t) {
				if !c.unary {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					client, servers, rescued := interopClient(t, policy)
					servers.Hang(0)
					for i := range servers.Len() {
						c.runAs(t, fmt.Sprintf("%d", i+1), client)
					}
					assert.Positive(t, rescued.Load(), "a call was on its way to the server that hangs")
				})
			}
		})
	}
}

func TestAStatusOfARescuedCallIsTheServersAndNamesWhatWasTried(t *testing.T) {
	const text = "\t\nwith whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	client, servers, rescued := interopClient(t, cantonlb.ActivePassive)
	servers.Hang(0)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := testgrpc.NewTestServiceClient(client).UnaryCall(ctx, &testgrpc.SimpleRequest{
		ResponseStatus: &testgrpc.EchoStatus{Code: int32(codes.Unknown), Message: text},
	})
	assert.Equal(t, codes.Unknown, status.Code(err))
	assert.Equal(t, text, status.Convert(err).Message())
	assert.ErrorContains(t, err, text+" (tried \"server0\" at ")
	assert.EqualValues(t, 1, rescued.Load())
}
