package endpointset

import (
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb/healthcheck"
)

var logger = grpclog.Component("cantonlb")

// level is that of the event's line. A suspicion that comes and goes changes
// nothing for the calls, and is for those only who want to know all.
func (e Event) level() slog.Level {
	switch {
	case e.passing():
		return slog.LevelDebug
	case e.bad():
		return slog.LevelWarn
	default:
		return slog.LevelInfo
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

// message is what the event's line says, without what its attributes do.
func (e Event) message() string {
	switch e.Kind {
	case EventSwitch:
		return "another endpoint is the active"
	case EventPin:
		return "the active is " + string(e.To)
	default:
	}
	switch e.To {
	case multipleActive:
		return "several endpoints say that they serve"
	case oneActive:
		return "one endpoint alone says that it serves"
	case noneEligible:
		return "no endpoint is eligible"
	case someEligible:
		return "an endpoint is eligible again"
	case listAccepted:
		return "a list of endpoints is in force"
	case listRefused:
		return "a list of endpoints is refused"
	default:
		return "an endpoint has changed"
	}
}

// attrs are what the event's line tells. What is empty is left out.
func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.Uint64("number", e.Number)}
	from, to := string(e.From), string(e.To)
	if e.Kind == EventSwitch {
		attrs = append(attrs, slog.Uint64("switch", e.Switch.Number))
		from, to = e.Switch.From, e.Switch.To
	}
	for _, a := range []struct{ key, value string }{
		{"endpoint", e.Endpoint},
		{"from", from},
		{"to", to},
		{"reason", string(e.Reason)},
		{"detail", e.Detail},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if e.Held > 0 {
		attrs = append(attrs, slog.Duration("held", e.Held))
	}
	return attrs
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
