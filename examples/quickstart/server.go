package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/cantonlb/cantonlb/examples/internal/recordpb"
)

// The environment of a server process: its name, which marks the process as a
// server, and the address to listen on.
const (
	serverNameEnv = "QUICKSTART_SERVER_NAME"
	serverAddrEnv = "QUICKSTART_SERVER_ADDR"
)

// The commands that the parent writes to a server's standard input, one per line.
const (
	commandNotServing = "not_serving"
	commandServing    = "serving"
	commandStop       = "stop"
)

// The reports that a server writes to its standard output, one per line.
const (
	sayReady = "ready" // and the address, once it listens
	sayCall  = "call"  // for each call when it begins, before it is answered
)

const (
	// work is how long a call takes, so that a server that dies has calls in flight.
	work = 10 * time.Millisecond
	// graceLimit bounds a graceful stop.
	graceLimit = 5 * time.Second
)

// serve runs a server process. It ends at the stop command, or when its standard
// input is closed, so that it never outlives its parent.
func serve(name, addr string) error {
	signal.Ignore(os.Interrupt) // Ctrl-C reaches all processes of a terminal; the parent decides
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	server, state := grpc.NewServer(), health.NewServer()
	pb.RegisterRecordsServer(server, &records{name: name})
	healthpb.RegisterHealthServer(server, state)

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	say(sayReady + " " + listener.Addr().String())
	obey(server, state)
	if err := <-served; !errors.Is(err, grpc.ErrServerStopped) { // stopped before it had begun
		return err
	}
	return nil
}

// obey executes the parent's commands until the server has stopped.
func obey(server *grpc.Server, state *health.Server) {
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		switch commands.Text() {
		case commandNotServing:
			state.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
		case commandServing:
			state.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
		case commandStop:
			limit := time.AfterFunc(graceLimit, server.Stop)
			server.GracefulStop()
			limit.Stop()
			return
		}
	}
	server.Stop()
}

// records is the service. All servers return the same answers, except for their
// names.
type records struct {
	pb.UnimplementedRecordsServer

	name string
}

// Read implements the service.
func (r *records) Read(ctx context.Context, request *pb.ReadRequest) (*pb.ReadReply, error) {
	say(sayCall)
	select {
	case <-time.After(work):
		return &pb.ReadReply{Value: "the record " + request.GetKey(), Server: r.name}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// say writes one line to the parent in one piece, since many calls do so
// concurrently. If the parent is gone, the process ends here.
func say(line string) {
	if _, err := fmt.Fprintln(os.Stdout, line); err != nil {
		os.Exit(1) //nolint:revive // there is no caller left to return the error to
	}
}
