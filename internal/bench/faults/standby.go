package faults

import (
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// standby is how a replica is passive.
type standby string

const (
	// standbyRefuses means that its port refuses connections, as that of a passive
	// participant's Ledger API does.
	standbyRefuses standby = "refuses"
	// standbyAnswers means that it reports NOT_SERVING, and answers calls with
	// NODE_IS_PASSIVE_REPLICA.
	standbyAnswers standby = "answers"
)

// stepDownGrace is how long a replica that steps down still answers calls after it
// has reported NOT_SERVING, and then how long calls in flight may take.
const stepDownGrace = 300 * time.Millisecond

// lead makes the replica active, and returns the time since which it is.
func (s *server) lead() (time.Time, error) {
	s.setPassive(false)
	if s.grpc != nil {
		at := time.Now()
		s.claim(true)
		return at, nil
	}
	s.claim(true) // the first client that asks must see it
	at := time.Now()
	return at, s.listen()
}

// standBy makes the replica passive. It first reports that, so that clients can go
// elsewhere.
func (s *server) standBy() {
	s.claim(false)
	time.Sleep(stepDownGrace)
	switch s.config.Standby {
	case standbyRefuses:
		s.refuse(stepDownGrace)
	case standbyAnswers:
		s.setPassive(true)
	}
}

func (s *server) setPassive(passive bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passive = passive
}

func (s *server) turnsAway() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.passive
}

// errPassive is the answer of a passive replica, in the form of Canton's errors.
func errPassive() error {
	s := status.New(codes.Unavailable,
		"NODE_IS_PASSIVE_REPLICA(1,00000000): Cannot process submitted command. This participant is the passive replica.")
	with, err := s.WithDetails(&errdetails.ErrorInfo{Reason: "NODE_IS_PASSIVE_REPLICA", Metadata: map[string]string{"category": "1"}})
	if err != nil {
		return s.Err()
	}
	return with.Err()
}
