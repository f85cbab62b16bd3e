package statuspage

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/internal/history"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// states lists the states, worst first. The page counts them in this order, and
// shows endpoints in this order if it cannot show all.
var states = []report.EndpointState{
	report.StateUnhealthy, report.StateUnreachable, report.StateEjected, report.StateConnecting, report.StateUnknown,
	report.StateSuspect, report.StateDrained, report.StateHealthy,
}

// word returns the name of a state for styles and symbols; it is "unknown" for a
// state that the page does not know.
func word(s report.EndpointState) string {
	if s == report.StateRemoved || slices.Contains(states, s) {
		return string(s)
	}
	return string(report.StateUnknown)
}

// The strip's units are seconds and tenths of its height. Below it is a line for
// the time in which the endpoint was the active one. Bars of serving, not serving
// and other states differ in height, so that the strip can be read without colours.
const (
	stripWidth  = int(history.Window / time.Second)
	stripHeight = 10
	useTop      = 11 // of that line, and 2 high
	// leastBar is the least width of a bar, so that a short state can be seen.
	leastBar = 9.0
)

// bars returns where the bar of a state begins, from the top, and its height.
func bars(s report.EndpointState) (top, height int) {
	switch s {
	case report.StateHealthy:
		return 3, 4
	case report.StateSuspect, report.StateDrained, report.StateConnecting, report.StateUnknown,
		report.StateRemoved, statePassive:
		return 2, 6
	default:
		return 0, stripHeight
	}
}

// path appends a bar to a path: from, width and top, height.
func path(b []byte, from, width float64, top, height int) []byte {
	return fmt.Appendf(b, "M%s %dh%sv%dH%sz", tenths(from), top, tenths(width), height, tenths(from))
}

// strip draws the states of the window as one path for each state, with a bar for
// each span. The healthy state is drawn first and the worst last, so that short
// faults stay visible.
func (r *row) strip(now time.Time) []byte {
	s := r.spans
	stripHeight := stripHeight
	paths := map[report.EndpointState][]byte{}
	for i, x := range s {
		from, width, ok := bar(s, i, endOf(now))
		if !ok {
			continue
		}
		look := report.EndpointState(word(x.State))
		if x.Passive {
			look = statePassive
		}
		top, height := bars(look)
		paths[look] = path(paths[look], from, width, top, height)
	}
	if r.facts.Use != "" {
		stripHeight = useTop + 2
		for i, x := range r.use {
			if from, width, ok := bar(r.use, i, endOf(now)); ok && x.State == useActive {
				paths[useActive] = path(paths[useActive], from, width, useTop, 2)
			}
		}
	}
	b := fmt.Appendf(nil, `<svg class="strip" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img"><title>%s</title>`,
		stripWidth, stripHeight, html.EscapeString(r.story(now)))
	for _, state := range slices.Backward(append(slices.Clip(states), report.StateRemoved, statePassive, useActive)) {
		if d := paths[state]; d != nil {
			b = fmt.Appendf(b, `<path class="s-%s" d="%s"/>`, state, d)
		}
	}
	b = append(b, "</svg>"...)
	return b
}

// bar returns the position of one span in a strip that ends at end, in seconds, or
// false if the span lies before the strip.
func bar(s history.Spans, i int, end time.Time) (from, width float64, ok bool) {
	until := end
	if i+1 < len(s) {
		until = s[i+1].From
	}
	begin := end.Add(-history.Window)
	from = max(0, s[i].From.Sub(begin).Seconds())
	width = until.Sub(begin).Seconds() - from
	if width <= 0 {
		return 0, 0, false
	}
	if width < leastBar {
		from, width = min(from, float64(stripWidth)-leastBar), leastBar
	}
	return from, width, true
}

// tenths formats a number with at most one digit after the point.
func tenths(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// statePassive is the strip's state for an endpoint whose state was normal for a
// standby.
const statePassive report.EndpointState = "passive"

// story describes the strip in words.
func (r *row) story(now time.Time) string {
	s := r.spans
	var parts []string
	if times, lasted := r.use.Total(useActive, now); times > 0 {
		parts = append(parts, fmt.Sprintf("active %s, %s in all", often(times), view.Span(lasted)))
	}
	for _, state := range states {
		if state == report.StateHealthy {
			continue
		}
		if times, lasted := s.Total(state, now); times > 0 {
			parts = append(parts, fmt.Sprintf("%s %s, %s in all", state, often(times), view.Span(lasted)))
		}
	}
	return cmp.Or(strings.Join(parts, "; "), "healthy all the time that is known")
}

func often(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	default:
		return strconv.Itoa(n) + " times"
	}
}

const (
	sparkStep   = 2
	sparkWidth  = (history.Buckets - 1) * sparkStep
	sparkHeight = 20
)

// spark draws the longest round trip of each bucket, scaled to the longest of all.
// It is empty if there is none.
func spark(series [history.Buckets]uint32) []byte {
	peak := slices.Max(series[:])
	if peak == 0 {
		return nil
	}
	b := fmt.Appendf(nil, `<svg class="spark" viewBox="-2 -2 %d %d" preserveAspectRatio="none" aria-hidden="true"><path d="`,
		sparkWidth+4, sparkHeight+4)
	gap := true
	for i, v := range series {
		if v == 0 {
			gap = true
			continue
		}
		command := byte('L')
		if gap {
			command = 'M'
		}
		b = append(b, command)
		b = strconv.AppendInt(b, int64(i*sparkStep), 10)
		b = append(b, ' ')
		b = append(b, tenths(sparkHeight*(1-float64(v)/float64(peak)))...)
		if gap {
			b = append(b, "h.1"...) // a dot, if nothing follows
		}
		gap = false
	}
	b = append(b, `"/></svg>`...)
	return b
}
