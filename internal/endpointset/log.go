package endpointset

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb/healthcheck"
)

var logger = grpclog.Component("cantonlb")

// level is that of the event's line. A suspicion that comes and goes, and the
// beginning of an endpoint, change nothing for the calls, and are for those only who
// want to know all.
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
	return e.To == StateSuspect || e.From == StateSuspect && e.To == StateHealthy ||
		e.From == "" && e.To == StateConnecting
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
func (e Event) String() string { return string(e.append(nil)) }

// append appends it to a line. In a set of thousands all endpoints change at the
// start, so it does without formats where it can.
func (e Event) append(line []byte) []byte {
	if e.Kind == EventSwitch {
		line = fmt.Appendf(line, "switch %d: ", e.Switch.Number)
		if e.Switch.From == "" {
			line = append(strconv.AppendQuote(line, e.Switch.To), " is the active"...)
		} else {
			line = append(strconv.AppendQuote(line, e.Switch.From), " -> "...)
			line = strconv.AppendQuote(line, e.Switch.To)
		}
	} else {
		if e.Endpoint == "" {
			line = append(line, e.Kind...)
		} else {
			line = strconv.AppendQuote(append(line, "endpoint "...), e.Endpoint)
		}
		line = append(line, ": "...)
		if e.From != "" {
			line = append(append(line, e.From...), " -> "...)
		}
		line = append(line, e.To...)
	}
	if e.Reason != "" || e.Detail != "" {
		line = append(append(line, " ("...), e.Reason...)
		if e.Reason != "" && e.Detail != "" {
			line = append(line, ": "...)
		}
		line = append(append(line, e.Detail...), ')')
	}
	if e.Held > 0 {
		line = append(append(line, " after "...), e.Held.Round(time.Millisecond).String()...)
	}
	return line
}
