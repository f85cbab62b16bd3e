package lbtest

import (
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// fault is the fault of one kind of calls. The zero value is no fault.
type fault struct {
	code    codes.Code // OK: no failure
	message string
	latency time.Duration
}

// Hang stops the server as SIGSTOP does: connections stay open, but the server
// reads and writes nothing more and starts no call. Up to 128 new connections
// succeed and wait, and get no answer. Calls that have arrived continue inside the
// server, but send nothing before Resume. Hang does nothing if the server hangs
// already. If the server is down, it reports an error by t.Errorf.
func (s *Server) Hang() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.run == nil {
		s.t.Errorf("lbtest: Hang: %s is down: Restart it first", s.name)

		return
	}
	s.run.hung.shut()
}

// Resume lets a hung server continue as SIGCONT does: the server reads what has
// arrived and answers late. If the server does not hang, Resume does nothing.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		s.run.hung.open()
	}
}

// Partition cuts the network between the server and its clients: nothing arrives on
// either side, and neither side notices that the other has closed a connection. A
// dial by [Cluster.Dialer] waits until its context ends. On TCP, a dial that
// bypasses the Dialer succeeds and then gets no answer, since the kernel takes no
// part in the emulation.
func (s *Server) Partition() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut.shut()
}

// Heal ends a partition. Data that was sent during the partition arrives now, as
// TCP retransmits what was lost. If the server is not partitioned, Heal does
// nothing.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.unseen {
		conn.Close()
	}
	s.unseen = nil
	s.cut.open()
}

// SetServing sets the health status of a service to SERVING or NOT_SERVING; "" is
// the server as a whole. The status is pushed to all health watches, and survives
// Restart.
func (s *Server) SetServing(service string, serving bool) {
	s.t.Helper()
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthpb.HealthCheckResponse_SERVING
	}
	s.SetHealthStatus(service, status)
}

// SetHealthStatus is SetServing with any status. A status that the health
// service does not define, or a cluster made WithoutHealth, ends the test by
// t.Fatalf.
func (s *Server) SetHealthStatus(service string, status healthpb.HealthCheckResponse_ServingStatus) {
	s.t.Helper()
	if s.health == nil {
		s.t.Fatalf("lbtest: SetHealthStatus: %s was made WithoutHealth: leave that option out", s.name)
	}
	if _, ok := healthpb.HealthCheckResponse_ServingStatus_name[int32(status)]; !ok {
		s.t.Fatalf("lbtest: SetHealthStatus: status = %d: want one that grpc.health.v1 defines, 0 to 3", status)
	}
	s.health.SetServingStatus(service, status)
}

// SetLatency makes application calls wait for d before their handler runs, or
// until their context ends; 0, the default, turns it off. A negative d ends the
// test by t.Fatalf.
func (s *Server) SetLatency(d time.Duration) {
	s.t.Helper()
	s.delay("SetLatency", applicationCall, d)
}

// SetHealthLatency is SetLatency for health Check calls, so that probes are slow
// while application calls are not.
func (s *Server) SetHealthLatency(d time.Duration) {
	s.t.Helper()
	s.delay("SetHealthLatency", healthCheck, d)
}

// FailCalls makes application calls fail at once with this code and message,
// without latency; codes.OK, the default, turns it off. They are counted. A code
// that gRPC does not define ends the test by t.Fatalf.
func (s *Server) FailCalls(code codes.Code, message string) {
	s.t.Helper()
	s.fail("FailCalls", applicationCall, code, message)
}

// FailHealthCalls is FailCalls for health Check calls.
func (s *Server) FailHealthCalls(code codes.Code, message string) {
	s.t.Helper()
	s.fail("FailHealthCalls", healthCheck, code, message)
}

// FailHealthWatches is FailCalls for new health Watch calls. Open ones continue.
func (s *Server) FailHealthWatches(code codes.Code, message string) {
	s.t.Helper()
	s.fail("FailHealthWatches", healthWatch, code, message)
}

func (s *Server) delay(method string, k kind, d time.Duration) {
	s.t.Helper()
	if d < 0 {
		s.t.Fatalf("lbtest: %s: d = %v: want 0 or more", method, d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[k].latency = d
}

func (s *Server) fail(method string, k kind, code codes.Code, message string) {
	s.t.Helper()
	if code > codes.Unauthenticated {
		s.t.Fatalf("lbtest: %s: code = %d: want 0 (OK) to %d (Unauthenticated)", method, code, codes.Unauthenticated)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[k].code, s.faults[k].message = code, message
}
