package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/view"
)

// The widths of the table's columns. The reason has the room that it needs: the round
// trips and then the trail are left out before the reason is cut.
const (
	stateWidth = 11
	trailWidth = 30
	leastTrail = 8
	sparkWidth = 20
	gap        = 2
)

// widths returns the widths of the trail and of the round trips, 0 to leave them out, if
// the fixed columns and the reason take so much of a line.
func (s *screen) widths(fixed, why int) (trail, spark int) {
	room := s.width - fixed - why
	if room >= trailWidth+sparkWidth+2*gap {
		return trailWidth, sparkWidth
	}
	if trail = min(trailWidth, room-gap); trail < leastTrail {
		trail = 0
	}
	return trail, 0
}

// ordered returns the endpoints in the order of their rows. If not all fit in room lines,
// those that are not eligible come first. Endpoints that have left the list and still serve
// are last.
func (s *screen) ordered(room int) []cantonlb.EndpointStatus {
	list := slices.Concat(s.status.Endpoints, s.status.Leaving)
	if len(list) <= room-1 {
		return list
	}
	slices.SortStableFunc(list, func(x, y cantonlb.EndpointStatus) int {
		switch {
		case x.Eligible == y.Eligible:
			return 0
		case y.Eligible:
			return -1
		default:
			return 1
		}
	})
	return list
}

// shown returns the endpoints that fit in room lines, the selected one among them.
func (s *screen) shown(room int) []cantonlb.EndpointStatus {
	list := s.ordered(room)
	if len(list) <= room-1 {
		return list
	}
	most := max(1, room-2)
	first := max(0, slices.IndexFunc(list, s.isSelected)-most+1)
	return list[first : first+most]
}

// table returns the endpoints in at most room lines, not counting opened details, and in
// all lines in total. If the details do not fit, those of the selected endpoint do.
func (s *screen) table(room, all int) []string {
	list := s.shown(room)
	nameWidth, whyWidth := len("ENDPOINT"), len("WHY")
	for _, e := range list {
		nameWidth = max(nameWidth, min(ansi.StringWidth(e.Name), 30))
		whyWidth = max(whyWidth, ansi.StringWidth(why(e, s.now)))
	}
	head := fmt.Sprintf("  %-*s  %-*s %6s  %7s  ", nameWidth, "ENDPOINT", stateWidth, "STATE", "FOR", "TOOK")
	trailWidth, sparkWidth := s.widths(len(head), whyWidth)
	if sparkWidth > 0 {
		head += fmt.Sprintf("%-*s  ", sparkWidth, "ROUND TRIPS")
	}
	if trailWidth > 0 {
		head += fmt.Sprintf("%-*s  ", trailWidth, ansi.Truncate("LAST 15 MINUTES", trailWidth, "…"))
	}
	lines := []string{bold.Styled(head + "WHY")}
	from, to := 1, 1 // the lines of the selected endpoint
	for _, e := range list {
		r := s.row(s.key(e))
		_, took := r.trips.Newest()
		mark := "  "
		if e.Active {
			mark = "> "
		}
		name := ansi.Truncate(e.Name, nameWidth, "…")
		name += strings.Repeat(" ", nameWidth-ansi.StringWidth(name))
		if s.isSelected(e) {
			name = selected.Styled(name)
		}
		text := fmt.Sprintf("%s%s  %s %6s  %7s  ", mark, name, styleFor(e.State, e.Passive).Styled(fmt.Sprintf("%-*s", stateWidth, e.State)),
			view.Ago(e.Since, s.now), view.RoundTrip(took))
		if sparkWidth > 0 {
			text += spark(r.trips.Series(s.now), sparkWidth) + "  "
		}
		if trailWidth > 0 {
			text += trail(r.spans, s.now, trailWidth) + "  "
		}
		row := len(lines)
		lines = append(append(lines, text+why(e, s.now)), s.details(e)...)
		if s.isSelected(e) {
			from, to = row, len(lines)
		}
	}
	if more := len(s.status.Endpoints) + len(s.status.Leaving) - len(list); more > 0 {
		lines = append(lines, rest.Styled(fmt.Sprintf("  and %d more", more)))
	}
	if above := min(from-1, to-all); above > 0 {
		lines = slices.Delete(lines, 1, 1+above)
	}
	return lines
}

// why returns the reason of an endpoint's state without what the row has already, so
// that the cause is not cut off on a narrow terminal; the details have all of it.
func why(e cantonlb.EndpointStatus, now time.Time) string {
	text := view.Why(e, now)
	for _, network := range []string{"tcp", "unix"} {
		dial := "dial " + network + " " + e.Address + ": "
		text = strings.ReplaceAll(text, dial+"connect: ", "")
		text = strings.ReplaceAll(text, dial, "")
	}
	return text
}

// details returns what is shown below an endpoint that is opened: its address and the
// whole explanation, wrapped.
func (s *screen) details(e cantonlb.EndpointStatus) []string {
	if !s.opened[s.key(e)] {
		return nil
	}
	text := "address: " + e.Address + "\n" + strings.TrimRight(view.ExplainEndpoint(s.status, e, s.now).Text(paintMet), "\n")
	lines := strings.Split(ansi.Wrap(text, max(10, s.width-4), ""), "\n")
	for i := range lines {
		lines[i] = "    " + lines[i]
	}
	return lines
}
