package demo

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Server is a gRPC server on loopback, with the health service on the same port
// as its other services. Its methods are safe for concurrent use.
type Server struct {
	addr    string
	service string
	health  *health.Server
	server  *grpc.Server
	done    chan struct{} // closed when Serve has returned
}

// Start starts a server that listens on addr, such as "127.0.0.1:0", and reports
// its health under the name service and as a whole (""). The caller must close it.
func Start(ctx context.Context, addr, service string) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("demo server: %w", err)
	}
	s := &Server{
		addr: listener.Addr().String(), service: service,
		health: health.NewServer(), server: grpc.NewServer(), done: make(chan struct{}),
	}
	s.SetServing(false)
	healthpb.RegisterHealthServer(s.server, s.health)
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // it ends by Close, and a failure shows as an unhealthy endpoint
	}()
	return s, nil
}

// Addr returns the address as host:port.
func (s *Server) Addr() string { return s.addr }

// SetServing sets the health that the server reports.
func (s *Server) SetServing(serving bool) {
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus(s.service, status)
	s.health.SetServingStatus("", status)
}

// Close stops the server and waits for it. It may be called more than once.
func (s *Server) Close() {
	s.server.Stop()
	<-s.done
}
