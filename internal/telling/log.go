package telling

import (
	"log/slog"

	"github.com/cantonlb/cantonlb/report"
)

// Level is that of the event's line. A suspicion that comes and goes, and the
// beginning of an endpoint, change nothing for the calls, and are for those only who
// want to know all.
func Level(e report.Event) slog.Level {
	switch {
	case passing(e):
		return slog.LevelDebug
	case bad(e):
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// passing tells that nothing changes for the calls.
func passing(e report.Event) bool {
	return e.To == report.StateSuspect || e.From == report.StateSuspect && e.To == report.StateHealthy ||
		e.From == "" && e.To == report.StateConnecting
}

// bad tells that an operator may want to do something about it.
func bad(e report.Event) bool {
	switch e.To {
	case report.StateUnhealthy, report.StateEjected, report.NoneEligible, report.ListRefused, report.MultipleActive:
		return true
	default:
		return e.Reason == report.ReasonHandshakeFailed
	}
}

// message is what the event's line says, without what its attributes do.
func message(e report.Event) string {
	switch e.Kind {
	case report.EventSwitch:
		return "another endpoint is active"
	case report.EventPin:
		return "the active endpoint is " + string(e.To)
	default:
	}
	switch e.To {
	case report.MultipleActive:
		return "several endpoints say that they serve"
	case report.OneActive:
		return "only one endpoint says that it serves"
	case report.NoneEligible:
		return "no endpoint is eligible"
	case report.SomeEligible:
		return "an endpoint is eligible again"
	case report.ListAccepted:
		return "a list of endpoints is in effect"
	case report.ListRefused:
		return "a list of endpoints is refused"
	default:
		return "an endpoint has changed"
	}
}

// attrs are what the event's line tells. What is empty is left out.
func attrs(e report.Event) []slog.Attr {
	attrs := []slog.Attr{slog.Uint64("number", e.Number)}
	from, to := string(e.From), string(e.To)
	if e.Kind == report.EventSwitch {
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
