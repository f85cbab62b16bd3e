package lbtest

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// port is the purpose of an address that a server listens on.
type port = int

const (
	callPort   port = iota // calls and, without a healthPort, health
	healthPort             // the gRPC health service alone
	pagePort               // health over HTTP
	ports
)

// place is a port of a server.
type place struct {
	server *Server
	port   port
}

// ports returns the ports that each server has.
func (o *options) ports() []port {
	list := []port{callPort}
	if o.healthPort {
		list = append(list, healthPort)
	}
	if o.healthPage {
		list = append(list, pagePort)
	}

	return list
}

// service serves one port of a process: by gRPC, or by HTTP.
type service struct {
	proc *process
	lis  *listener
	grpc *grpc.Server
	http *http.Server
}

// build returns the service of a port.
func (p *process) build(port port) *service {
	if port == pagePort {
		quiet := slog.NewLogLogger(slog.DiscardHandler, 0) // clients that disconnect are expected in tests

		return &service{proc: p, http: &http.Server{
			Handler: http.HandlerFunc(p.page), ReadHeaderTimeout: time.Minute, ErrorLog: quiet,
		}}
	}

	s := p.server
	opts := []grpc.ServerOption{
		grpc.WaitForHandlers(true), // so that the end of the test waits for them
		grpc.ChainUnaryInterceptor(p.unary),
		grpc.ChainStreamInterceptor(p.stream),
		grpc.UnknownServiceHandler(unknownMethod),
	}
	if s.HasTLS() {
		opts = append(opts, grpc.Creds(credentials.NewTLS(s.tlsConfig("h2"))))
	}
	srv := grpc.NewServer(append(opts, s.set.serverOptions...)...)
	if s.health != nil && (port == healthPort || !s.set.healthPort) {
		healthpb.RegisterHealthServer(srv, s.health)
	}
	if s.register != nil && port == callPort {
		s.register(srv)
	}

	return &service{proc: p, grpc: srv}
}

func (s *service) serve() {
	var err error
	if s.grpc != nil {
		err = s.grpc.Serve(s.lis)
	} else {
		var lis net.Listener = s.lis
		if s.proc.server.HasTLS() {
			lis = tls.NewListener(lis, s.proc.server.tlsConfig("http/1.1"))
		}
		err = s.http.Serve(lis)
	}
	select {
	case <-s.proc.ended:
	default:
		if err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.proc.server.t.Errorf("lbtest: %s: Serve: %v", s.proc.server.name, err)
		}
	}
}

// stop ends the service at once.
func (s *service) stop() {
	if s.grpc != nil {
		s.grpc.Stop()
	} else {
		_ = s.http.Close() // its listener is closed already
	}
}

// finish ends the service when its calls have ended.
func (s *service) finish() {
	if s.grpc != nil {
		s.grpc.GracefulStop()
	} else {
		_ = s.http.Shutdown(context.Background()) // nothing is left to do if that fails
	}
}

// abandon closes a service that never served. It may be called on nil.
func (s *service) abandon() {
	if s == nil {
		return
	}
	if s.lis != nil {
		_ = s.lis.Close() // it has not been used
	}
	s.stop()
}

// page answers a request for the health page.
func (p *process) page(w http.ResponseWriter, r *http.Request) {
	if _, err := p.count(healthPage); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable) // it reaches no client

		return
	}
	p.server.sawToken(r.Header.Get("Authorization"))
	code := http.StatusServiceUnavailable
	if h := p.server.health; h != nil {
		reply, err := h.Check(r.Context(), &healthpb.HealthCheckRequest{})
		if err == nil && reply.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			code = http.StatusOK
		}
	}
	w.WriteHeader(code)
}

// HealthAddr returns the address, as host:port, of the separate port of the health
// service, or "" if the cluster was not made [WithHealthPort]. It never changes.
func (s *Server) HealthAddr() string { return s.addrs[healthPort] }

// HealthPageURL returns the URL of the health page, or "" if the cluster was not
// made [WithHealthPage]. It never changes.
func (s *Server) HealthPageURL() string {
	if s.addrs[pagePort] == "" {
		return ""
	}

	return s.scheme() + s.addrs[pagePort] + "/health"
}
