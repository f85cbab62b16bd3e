package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/history"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

// screen is the screen of watch: a bubbletea model, which only Update changes.
type screen struct {
	look   func() cantonlb.Status
	router func() report.RouterStatus // nil: there are no shards
	clock  func() time.Time
	status cantonlb.Status
	now    time.Time
	rows   map[string]*row
	events []cantonlb.Event // the newest, oldest first

	width, height int

	// selected is the key of the endpoint that the arrows have selected, "" before
	// that, and opened those whose details are shown. rows has the same keys.
	selected string
	opened   map[string]bool
}

// row is the history of one endpoint.
type row struct {
	spans history.Spans
	trips history.Trips
}

// The messages that a screen receives.
type (
	newsMsg []cantonlb.Event
	tickMsg struct{}
)

// keptEvents is more than fit on most screens.
const keptEvents = 100

func newScreen(look func() cantonlb.Status, clock func() time.Time) *screen {
	return &screen{look: look, clock: clock, rows: map[string]*row{}, opened: map[string]bool{}, width: 80, height: 24}
}

func tick() tea.Cmd { return tea.Tick(lookEvery, func(time.Time) tea.Msg { return tickMsg{} }) }

func (s *screen) Init() tea.Cmd { return tick() }

func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		switch msg.String() {
		case "q", "esc", "ctrl+c":
			return s, tea.Quit
		case "up", "k":
			s.move(-1)
		case "down", "j":
			s.move(1)
		case "enter":
			s.move(0)
			s.opened[s.selected] = !s.opened[s.selected]
		}
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case newsMsg:
		s.learn(msg, s.clock())
		s.refresh(s.clock())
	case tickMsg:
		s.refresh(s.clock())
		return s, tick()
	}
	return s, nil
}

// move selects another endpoint, or the first one if none is selected.
func (s *screen) move(by int) {
	list := s.ordered(s.room())
	if len(list) == 0 {
		return
	}
	i := slices.IndexFunc(list, s.isSelected)
	if i >= 0 {
		i += by
	}
	s.selected = s.key(list[min(max(i, 0), len(list)-1)])
}

func (s *screen) isSelected(e cantonlb.EndpointStatus) bool { return s.key(e) == s.selected }

// key returns what distinguishes an endpoint: its name, unless it has left the list and
// another one in the list has the same name.
func (s *screen) key(e cantonlb.EndpointStatus) string {
	listed := func(x cantonlb.EndpointStatus) bool { return x.Name == e.Name }
	if !e.LeavingSince.IsZero() && slices.ContainsFunc(s.status.Endpoints, listed) {
		return "leaving\n" + e.Name
	}
	return e.Name
}

func (s *screen) learn(events []cantonlb.Event, now time.Time) {
	for _, e := range events {
		if e.Kind == cantonlb.EventEndpoint {
			r := s.row(e.Endpoint)
			r.spans = r.spans.Add(history.Span{From: e.At, State: e.To, Reason: e.Reason, Passive: e.Passive}, now)
		}
	}
	s.events = append(s.events, events...)
	s.events = slices.Delete(s.events, 0, max(0, len(s.events)-keptEvents))
}

func (s *screen) row(name string) *row {
	if s.rows[name] == nil {
		s.rows[name] = new(row)
	}
	return s.rows[name]
}

func (s *screen) refresh(now time.Time) {
	s.status, s.now = s.look(), now
	for _, e := range s.status.Leaving {
		if key := s.key(e); key != e.Name && s.rows[key] == nil { // its name is another one's now
			s.rows[key] = s.row(e.Name)
			delete(s.rows, e.Name)
		}
	}
	rows := make(map[string]*row, len(s.status.Endpoints))
	for _, e := range slices.Concat(s.status.Endpoints, s.status.Leaving) {
		r := s.row(s.key(e))
		if !e.Since.IsZero() {
			r.spans = r.spans.Add(history.Span{From: e.Since, State: e.State, Reason: e.Reason, Passive: e.Passive}, now)
		}
		r.trips.Add(e.Probe.Answered, e.Probe.RoundTrip)
		rows[s.key(e)] = r
	}
	s.rows = rows // without endpoints that no longer serve
}

// View draws the screen: a head, a line for each endpoint, and the newest events in
// the remaining room.
func (s *screen) View() tea.View {
	v := tea.NewView(s.draw())
	v.AltScreen = true
	v.WindowTitle = "cantonlb: " + view.Eligible(s.status)
	return v
}

func (s *screen) draw() string {
	if s.now.IsZero() {
		return "connecting"
	}
	lines := s.head()
	foot := rest.Styled("q quits, arrows select, enter opens")
	lines = append(lines, s.table(s.room(), s.height-len(lines)-1)...)
	if left := s.height - len(lines) - 3; left > 0 && len(s.events) > 0 {
		lines = append(lines, "", bold.Styled("NEWEST EVENTS"))
		for _, e := range slices.Backward(s.events[max(0, len(s.events)-left+1):]) {
			word := fmt.Sprintf("%-12s", cmp.Or(string(e.To), string(e.Kind)))
			lines = append(lines, rest.Styled(e.At.UTC().Format(time.TimeOnly))+"  "+styleFor(e.To, e.Passive).Styled(word)+" "+e.String())
		}
	}
	lines = append(lines[:min(len(lines), max(0, s.height-1))], foot)
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], s.width, "…")
	}
	return strings.Join(lines, "\n")
}

// room returns how many lines the endpoints have, not counting opened details.
func (s *screen) room() int { return max(2, (s.height-len(s.head())-1)*2/3) } // 1 is for the foot

func (s *screen) head() []string {
	lines := []string{bold.Styled(view.Eligible(s.status)) + rest.Styled(fmt.Sprintf("  %s, channel %v", s.status.Policy, s.status.State))}
	if s.router != nil {
		text := view.Router(s.router(), s.now, paintShard)
		lines = append(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), append([]string{""}, lines...)...)
		lines = lines[:min(len(lines), max(2, s.height/2))]
	}
	if since := s.status.NoneEligibleSince; !since.IsZero() {
		lines = append(lines, bad.Styled("NO ENDPOINT IS ELIGIBLE for "+view.Ago(since, s.now)))
	}
	if line := view.Active(s.status, s.now); line != "" {
		lines = append(lines, line)
	}
	if line := view.Handover(s.status, s.now); line != "" {
		lines = append(lines, warn.Styled(line))
	}
	return append(append(lines, s.notes()...), "")
}

// notes returns the client's notes, in at most a quarter of the screen.
func (s *screen) notes() []string {
	notes := s.status.Notes
	if most := s.height / 4; len(notes) > most {
		notes = notes[:max(0, most-1)]
	}
	var lines []string
	for i, note := range notes {
		wrapped := strings.Split(ansi.Wrap("note: "+note, max(10, s.width), ""), "\n")
		if room := s.height/4 - len(lines) - len(notes) + i + 1; len(wrapped) > room {
			wrapped = []string{"note: " + note}
		}
		for _, line := range wrapped {
			lines = append(lines, warn.Styled(line))
		}
	}
	if more := len(s.status.Notes) - len(notes); more > 0 {
		lines = append(lines, warn.Styled(fmt.Sprintf("and %d more notes", more)))
	}
	return lines
}

// trail draws the states of the window in a number of parts, with the worst state
// of each.
func trail(spans history.Spans, now time.Time, parts int) string {
	var b strings.Builder
	for i := range parts {
		begin := now.Add(-history.Window * time.Duration(parts-i) / time.Duration(parts))
		part := now.Add(-history.Window * time.Duration(parts-i-1) / time.Duration(parts)).Sub(begin)
		glyph, style := " ", rest
		for x := range spans.Within(begin, begin.Add(part)) {
			if g := glyphOf(x.State, x.Passive); g > glyph {
				glyph, style = g, styleFor(x.State, x.Passive)
			}
		}
		b.WriteString(style.Styled(glyph))
	}
	return b.String()
}

// glyphOf returns the bar of a state. A higher bar is a worse state, so that no
// colour is needed.
func glyphOf(s cantonlb.State, passive bool) string {
	if passive {
		return "▅"
	}
	switch s {
	case cantonlb.StateHealthy:
		return "▁"
	case cantonlb.StateSuspect:
		return "▃"
	case cantonlb.StateUnhealthy, cantonlb.StateUnreachable, cantonlb.StateEjected:
		return "█"
	default:
		return "▅"
	}
}

// spark draws the longest round trips of the last buckets of the window, scaled to
// the longest of them.
func spark(series [history.Buckets]uint32, width int) string {
	levels := []rune("▁▂▃▄▅▆▇")
	last := series[len(series)-width:]
	peak := slices.Max(last)
	var b strings.Builder
	for _, v := range last {
		if v == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(levels[(len(levels)-1)*int(v)/int(peak)])
	}
	return b.String()
}
