package endpointset

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/event"
)

var logger = grpclog.Component("cantonlb")

// report writes one line for each event, until the set is closed. It has a
// goroutine of its own, so that a log that is slow to write holds up nothing.
func (s *Set) report(r *event.Reader[Event]) {
	for {
		events, missed, err := r.Next(context.Background()) // ends with Close
		if err != nil {
			return
		}
		if missed > 0 {
			logger.Warningf("%s: %d events are not in the log: it is too slow", s.policy, missed)
		}
		for _, e := range events {
			s.logEvent(e)
		}
	}
}

// logEvent writes the line of an event. A suspicion that comes and goes changes
// nothing for the calls, and is for those only who want to know all.
func (s *Set) logEvent(e Event) {
	switch {
	case e.passing():
		if logger.V(2) {
			logger.Infof("%s: %v", s.policy, e)
		}
	case e.bad():
		logger.Warningf("%s: %v", s.policy, e)
	default:
		logger.Infof("%s: %v", s.policy, e)
	}
}

// passing tells that nothing changes for the calls.
func (e Event) passing() bool {
	return e.To == StateSuspect || e.From == StateSuspect && e.To == StateHealthy
}

// bad tells that an operator may want to do something about it.
func (e Event) bad() bool {
	switch e.To {
	case StateUnhealthy, StateEjected, noneEligible, listRefused, multipleActive:
		return true
	default:
		return e.Reason == healthcheck.ReasonHandshakeFailed
	}
}

// String gives the event in one line, for example
//
//	endpoint "seq1": healthy -> unhealthy (not_serving) after 12s
func (e Event) String() string {
	subject := string(e.Kind)
	if e.Endpoint != "" {
		subject = fmt.Sprintf("endpoint %q", e.Endpoint)
	}
	text := fmt.Sprintf("%s: %s", subject, e.To)
	switch {
	case e.Kind == EventSwitch && e.Switch.From == "":
		text = fmt.Sprintf("switch %d: %q is the active", e.Switch.Number, e.Switch.To)
	case e.Kind == EventSwitch:
		text = fmt.Sprintf("switch %d: %q -> %q", e.Switch.Number, e.Switch.From, e.Switch.To)
	case e.From != "":
		text = fmt.Sprintf("%s: %s -> %s", subject, e.From, e.To)
	}
	switch {
	case e.Reason != "" && e.Detail != "":
		text += fmt.Sprintf(" (%s: %s)", e.Reason, e.Detail)
	case e.Reason != "" || e.Detail != "":
		text += fmt.Sprintf(" (%s%s)", e.Reason, e.Detail)
	}
	if e.Held > 0 {
		text += fmt.Sprintf(" after %v", e.Held.Round(time.Millisecond))
	}
	return text
}
