package main

import (
	"github.com/charmbracelet/x/ansi"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// The terminal's own colours, which its user can make readable.
var (
	good = ansi.Style{}.ForegroundColor(ansi.Green)
	warn = ansi.Style{}.ForegroundColor(ansi.Yellow)
	bad  = ansi.Style{}.ForegroundColor(ansi.Red).Bold()
	rest = ansi.Style{}.Faint()
	bold = ansi.Style{}.Bold()

	selected = ansi.Style{}.Reverse(true)
)

// styleOf returns the colour of a state. The state's word is always shown, too.
func styleOf(s cantonlb.State) ansi.Style {
	switch s {
	case cantonlb.StateHealthy:
		return good
	case cantonlb.StateSuspect:
		return warn
	case cantonlb.StateUnhealthy, cantonlb.StateUnreachable, cantonlb.StateEjected, "none_eligible", "refused":
		return bad
	default:
		return rest
	}
}

// styleFor is styleOf for a state that may be normal for a standby.
func styleFor(s cantonlb.State, passive bool) ansi.Style {
	if passive {
		return rest
	}
	return styleOf(s)
}

func painter(e cantonlb.EndpointStatus) view.Paint { return styleFor(e.State, e.Passive).Styled }

// paintMet returns the colour of a condition that is met or not met.
func paintMet(met bool) view.Paint {
	if met {
		return good.Styled
	}
	return bad.Styled
}

// paintShard returns the colour of a state of a shard.
func paintShard(s report.ShardState) view.Paint {
	switch s {
	case report.ShardLive:
		return good.Styled
	case report.ShardDegraded:
		return warn.Styled
	default:
		return bad.Styled
	}
}
