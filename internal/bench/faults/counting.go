package faults

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// tell reports what has arrived repeatedly, and a last time when over is closed.
func (s *server) tell(out *mouth, over <-chan struct{}) {
	ticker := time.NewTicker(tallyEvery)
	defer ticker.Stop()
	for last := false; !last; {
		select {
		case <-ticker.C:
		case <-over:
			last = true
		}
		s.mu.Lock()
		arrived := s.arrived
		s.arrived = nil
		s.mu.Unlock()
		for _, bit := range arrived {
			if out.say(message{Kind: saysArrived, At: bit.at, Arrived: bit.arrived}) != nil {
				return // the parent no longer reads
			}
		}
	}
}

// count counts an arrival from the client with this user agent.
func (s *server) count(agent string, one arrivals) {
	name, _, _ := strings.Cut(agent, " ") // grpc appends its own
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	step := tallyEvery
	if s.config.Standby != "" {
		step = tallyStep
	}
	n := len(s.arrived)
	// Arrivals before and after a stop of the process are also counted separately.
	if n == 0 || now.Sub(s.arrived[n-1].began) > step {
		s.arrived = append(s.arrived, tallied{began: now, arrived: make(map[string]arrivals)})
		n++
	}
	bit := &s.arrived[n-1]
	bit.at = now
	had, known := bit.arrived[name]
	if !known && len(bit.arrived) >= mostClients {
		return
	}
	bit.arrived[name] = had.plus(one)
}

func (s *server) countRPC(ctx context.Context, method string) {
	one := arrivals{Calls: 1}
	switch {
	case strings.HasPrefix(method, "/grpc.health."):
		one = arrivals{Probes: 1}
	case s.turnsAway():
		one = arrivals{Passive: 1}
	}
	agent := ""
	if values := metadata.ValueFromIncomingContext(ctx, "user-agent"); len(values) > 0 {
		agent = values[0]
	}
	s.count(agent, one)
}

func (s *server) countUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s.countRPC(ctx, info.FullMethod)
	if err := s.unlessMute(ctx); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (s *server) countStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s.countRPC(stream.Context(), info.FullMethod)
	if err := s.unlessMute(stream.Context()); err != nil {
		return err
	}
	return next(srv, stream)
}

// unlessMute returns once the server is not mute.
func (s *server) unlessMute(ctx context.Context) error {
	s.mu.Lock()
	m, changed := s.mode, s.changed
	s.mu.Unlock()
	if m != modeMute {
		return nil
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}
