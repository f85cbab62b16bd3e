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

// The environment of a server process: its name, which tells this program that
// it is one, and where to listen.
const (
	serverNameEnv = "QUICKSTART_SERVER_NAME"
	serverAddrEnv = "QUICKSTART_SERVER_ADDR"
)

// What the parent writes to a server's standard input, a line each.
const (
	commandNotServing = "not_serving"
	commandServing    = "serving"
	commandStop       = "stop"
)

// What a server writes to its standard output, a line each.
const (
	sayReady = "ready" // and the address, once it listens
	sayCall  = "call"  // for each call as it begins, and so before it is answered
)

const (
	// work is how long a call takes, so that a server which dies has calls under
	// way.
	work = 10 * time.Millisecond
	// graceLimit bounds a graceful stop.
	graceLimit = 5 * time.Second
)

// serve is the whole life of a server process. It ends by the command to stop,
// or when its standard input is closed, so that it never outlives its parent.
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

// obey carries out the parent's commands until the server has stopped.
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

// records is the service. Every server gives the same answers, but for its name.
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

// say writes one line to the parent, in one piece: many calls do so at once. If
// the parent is gone, the process ends here.
func say(line string) {
	if _, err := fmt.Fprintln(os.Stdout, line); err != nil {
		os.Exit(1) //nolint:revive // nobody is left to return the error to
	}
}
