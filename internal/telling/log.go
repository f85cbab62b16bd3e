package telling

import (
	"log/slog"

	"github.com/cantonlb/cantonlb/report"
)

// Level returns the level of the event's line. A suspicion that comes and goes, and
// the first state of an endpoint, do not affect calls and have the level Debug. The
// state of a standby that is normal for one has the level Info.
func Level(e report.Event) slog.Level {
	switch {
	case passing(e):
		return slog.LevelDebug
	case bad(e) && !e.Passive:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// passing reports whether the event does not affect calls.
func passing(e report.Event) bool {
	return e.IsSuspicion() || e.From == "" && e.To == report.StateConnecting
}

// bad reports whether an operator may need to act on the event.
func bad(e report.Event) bool {
	switch e.To {
	case report.StateUnhealthy, report.StateUnreachable, report.StateEjected, report.NoneEligible, report.ListRefused, report.MultipleActive,
		report.HandoverHeld:
		return true
	default:
		return unchecked(e)
	}
}

// unchecked reports whether the endpoint counts as healthy although its server has no
// health service.
func unchecked(e report.Event) bool {
	return e.To == report.StateHealthy && e.Reason == report.ReasonUnimplemented && e.From != report.StateSuspect
}

// message returns the text of the event's line, without what its attributes hold.
func message(e report.Event) string {
	switch e.Kind {
	case report.EventSwitch:
		return "another endpoint is active"
	case report.EventPin:
		return "the active endpoint is " + string(e.To)
	default:
	}
	if unchecked(e) {
		return "an endpoint counts as healthy without a health check"
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
	case report.HandoverHeld:
		return "no endpoint of the new list can carry the calls: those that left it still do"
	case report.HandoverEnded:
		return "the endpoints that left the list no longer serve, or are back"
	default:
		return "an endpoint has changed"
	}
}

// attrs returns the attributes of the event's line, without empty ones.
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
