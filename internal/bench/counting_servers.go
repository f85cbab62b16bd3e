package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// arrivedCounts holds what has arrived at the servers since their start.
type arrivedCounts struct {
	Checks  uint64 `json:"checks"`
	Watches uint64 `json:"watches"`
	Calls   uint64 `json:"calls"`
}

// countingServers is a gRPC server at several addresses, in another process of
// this program, so that its processor time is not the client's.
type countingServers struct {
	addresses []string

	command *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Reader
}

const (
	// servingEnv makes this program such a process; its value is the number of
	// servers.
	servingEnv = "CANTONLB_BENCH_COUNTING_SERVERS"
	// mostServing bounds them.
	mostServing = 100
	// servingGrace is how long the process may take to end.
	servingGrace = 5 * time.Second
)

// startCountingServers starts the process, which ends with stop, or with ctx.
func startCountingServers(ctx context.Context, n int) (*countingServers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self) //nolint:gosec // the command is this program
	command.Env = append(os.Environ(), servingEnv+"="+strconv.Itoa(n))
	command.Stderr = os.Stderr
	command.WaitDelay = servingGrace
	orders, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err = command.Start(); err != nil {
		return nil, err
	}
	s := &countingServers{command: command, orders: orders, answers: bufio.NewReader(answers)}
	if err = s.read(&s.addresses); err != nil {
		return nil, errors.Join(fmt.Errorf("the servers have not started: %w", err), s.stop())
	}
	return s, nil
}

// count asks the servers what has arrived.
func (s *countingServers) count(context.Context) (arrivedCounts, error) {
	var c arrivedCounts
	if _, err := io.WriteString(s.orders, "\n"); err != nil {
		return c, err
	}
	return c, s.read(&c)
}

// read reads one line of JSON. It ends at the latest when the process does.
func (s *countingServers) read(into any) error {
	line, err := s.answers.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

// stop ends the process and waits for it.
func (s *countingServers) stop() error {
	return errors.Join(s.orders.Close(), s.command.Wait())
}

// serveCounting runs such a process: it prints the addresses of its servers, and
// for each line that it reads what has arrived. It returns false if this process is
// not one.
func serveCounting() (code int, is bool) {
	text, is := os.LookupEnv(servingEnv)
	if !is {
		return exitOK, false
	}
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > mostServing) {
		err = fmt.Errorf("%s %d: want a whole number from 1 to %d", servingEnv, n, mostServing)
	}
	if err == nil {
		err = serveAndCount(n, os.Stdin, os.Stdout)
	}
	if err != nil {
		sayf(os.Stderr, "bench: servers: %v\n", err)
		return exitFailed, true
	}
	return exitOK, true
}

func serveAndCount(n int, in io.Reader, out io.Writer) error {
	c := new(arrivalCounter)
	var running sync.WaitGroup
	defer running.Wait()
	server := grpc.NewServer(grpc.UnaryInterceptor(c.unary), grpc.StreamInterceptor(c.stream))
	defer server.Stop()
	healthpb.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&countingService, nil)
	addresses := make([]string, n)
	for i := range addresses {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses[i] = listener.Addr().String()
		running.Go(func() { _ = server.Serve(listener) }) // ends with Stop
	}
	say := json.NewEncoder(out)
	if err := say.Encode(addresses); err != nil {
		return err
	}
	orders := bufio.NewScanner(in)
	for orders.Scan() {
		if err := say.Encode(c.counts()); err != nil {
			return err
		}
	}
	return orders.Err()
}

// arrivalCounter counts what arrives.
type arrivalCounter struct{ checks, watches, calls atomic.Uint64 }

func (c *arrivalCounter) counts() arrivedCounts {
	return arrivedCounts{Checks: c.checks.Load(), Watches: c.watches.Load(), Calls: c.calls.Load()}
}

func (c *arrivalCounter) arrive(method string) {
	switch method {
	case healthpb.Health_Check_FullMethodName:
		c.checks.Add(1)
	case healthpb.Health_Watch_FullMethodName:
		c.watches.Add(1)
	default:
		c.calls.Add(1)
	}
}

func (c *arrivalCounter) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	c.arrive(info.FullMethod)
	return handle(ctx, req)
}

func (c *arrivalCounter) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	c.arrive(info.FullMethod)
	return handle(srv, stream)
}

// streamMethod is a stream that sends one message and is then quiet until its end.
const streamMethod = "/cantonlb.bench.Echo/Stream"

// countingService serves callMethod and streamMethod.
var countingService = grpc.ServiceDesc{
	ServiceName: "cantonlb.bench.Echo",
	Methods: []grpc.MethodDesc{{
		MethodName: "Call",
		Handler: func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			in := new(emptypb.Empty)
			if err := decode(in); err != nil {
				return nil, err
			}
			echo := func(_ context.Context, req any) (any, error) { return req, nil }
			return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: callMethod}, echo)
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName: "Stream", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
				return err
			}
			<-stream.Context().Done()
			return status.FromContextError(stream.Context().Err()).Err()
		},
	}},
}
