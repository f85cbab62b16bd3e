package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/report"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// drawn returns the lines of a screen of n endpoints, of which the last has just
// become unhealthy.
func drawn(n, width, height int) []string {
	status := cantonlb.Status{Policy: "active_passive", Failover: &cantonlb.FailoverStatus{Active: "e0", Since: noon}, Notes: []string{"a note"}}
	for i := range n {
		status.Endpoints = append(status.Endpoints, cantonlb.EndpointStatus{
			Name: fmt.Sprintf("e%d", i), Eligible: true, Active: i == 0, State: cantonlb.StateHealthy, Since: noon.Add(-10 * time.Minute),
			Probe: cantonlb.ProbeStatus{Answered: noon, RoundTrip: 3 * time.Millisecond},
		})
	}
	last := &status.Endpoints[n-1]
	last.Eligible, last.State, last.Reason, last.Since = false, cantonlb.StateUnhealthy, report.ReasonProbeTimeout, noon
	s := newScreen(func() cantonlb.Status { return status }, func() time.Time { return noon.Add(time.Second) })
	s.Update(tea.WindowSizeMsg{Width: width, Height: height})
	s.Update(newsMsg{
		{Number: 1, At: noon.Add(-10 * time.Minute), Kind: cantonlb.EventEndpoint, Endpoint: last.Name, To: cantonlb.StateHealthy},
		{Number: 2, At: noon, Kind: cantonlb.EventEndpoint, Endpoint: last.Name, From: cantonlb.StateHealthy, To: cantonlb.StateUnhealthy},
		{Number: 3, At: noon, Kind: cantonlb.EventSwitch, Endpoint: "e0", Switch: cantonlb.Switch{Number: 1, To: "e0"}},
	})
	s.Update(tickMsg{})
	return strings.Split(ansi.Strip(s.draw()), "\n")
}

func TestTheScreenShowsEachEndpointAndWhatItWas(t *testing.T) {
	lines := drawn(3, 150, 30)
	assert.Equal(t, "2 of 3 endpoints eligible  active_passive, channel IDLE", lines[0])
	assert.Equal(t, "active: e0 for 1.0s; switches: 0", lines[1])
	assert.Equal(t, "note: a note", lines[2])
	assert.True(t, strings.HasPrefix(lines[5], "> e0        healthy     10m01s   3.00ms"), lines[5])
	assert.Contains(t, lines[5], strings.Repeat(" ", 9)+strings.Repeat("▁", 21)+"  ", "ten minutes of fifteen are known")
	assert.Contains(t, lines[7], strings.Repeat("▁", 20)+"█  probe_timeout")
	assert.Contains(t, lines[10], "12:00:00  switch       switch ")
	assert.Contains(t, lines[11], `endpoint "e2": healthy -> unhealthy`)
	assert.Equal(t, "q quits, arrows select, enter opens", lines[len(lines)-1])
}

func TestTheScreenFitsTheTerminalAndShowsThoseFirstThatAreOut(t *testing.T) {
	for _, size := range []struct{ n, width, height int }{{100, 80, 24}, {1000, 40, 10}, {5, 200, 8}, {3, 20, 24}} {
		lines := drawn(size.n, size.width, size.height)
		require.LessOrEqual(t, len(lines), size.height, "%+v", size)
		for _, text := range lines {
			assert.LessOrEqual(t, ansi.StringWidth(text), size.width)
		}
	}
	lines := drawn(100, 80, 24)
	assert.Contains(t, lines[5], "e99")
	assert.Contains(t, lines, "  and 90 more")
	assert.Contains(t, lines[5], "█  probe_timeout", "a narrow terminal has room for the reason")
}

func TestManyNotesLeaveRoomForTheEndpoints(t *testing.T) {
	status := cantonlb.Status{Notes: strings.Split(strings.Repeat("a note,", 29)+"the last", ","), NoneEligibleSince: noon}
	for i := range 3 {
		status.Endpoints = append(status.Endpoints, cantonlb.EndpointStatus{Name: fmt.Sprintf("e%d", i), State: cantonlb.StateUnhealthy})
	}
	s := newScreen(func() cantonlb.Status { return status }, func() time.Time { return noon.Add(time.Second) })
	for _, height := range []int{24, 8, 3, 1} {
		s.Update(tea.WindowSizeMsg{Width: 80, Height: height})
		s.Update(tickMsg{})
		lines := strings.Split(ansi.Strip(s.draw()), "\n")
		assert.LessOrEqual(t, len(lines), height)
		assert.Equal(t, "q quits, arrows select, enter opens", lines[len(lines)-1])
		if height == 24 {
			text := strings.Join(lines, "\n")
			assert.Contains(t, text, "and 25 more notes")
			assert.Contains(t, text, "  e2 ")
		}
	}
}

func TestTheReasonIsNeverCutBeforeTheTimeline(t *testing.T) {
	const why = "dial tcp 10.20.30.40:5001: connect: connection refused"
	status := cantonlb.Status{Endpoints: []cantonlb.EndpointStatus{{
		Name: "sequencer-1", State: cantonlb.StateUnreachable, Since: noon, Reason: report.ReasonConnectFailed, Detail: why,
	}}}
	s := newScreen(func() cantonlb.Status { return status }, func() time.Time { return noon.Add(time.Second) })
	for width, trail := range map[int]bool{116: false, 127: true, 200: true} {
		s.Update(tea.WindowSizeMsg{Width: width, Height: 24})
		s.Update(tickMsg{})
		text := ansi.Strip(s.draw())
		assert.Contains(t, text, "connect_failed: "+why, width)
		assert.Equal(t, trail, strings.Contains(text, "LAST 15"), width)
	}
}

func TestEnterOpensARow(t *testing.T) {
	status := cantonlb.Status{Endpoints: []cantonlb.EndpointStatus{
		{Name: "a", Address: "a:1", State: cantonlb.StateHealthy}, {Name: "b", Address: "b:1", State: cantonlb.StateUnhealthy, Reason: report.ReasonNotServing},
	}}
	s := newScreen(func() cantonlb.Status { return status }, func() time.Time { return noon })
	s.Update(tea.WindowSizeMsg{Width: 60, Height: 24})
	s.Update(tickMsg{})
	press := func(code rune) { s.Update(tea.KeyPressMsg{Code: code}) }
	press(tea.KeyDown)
	press(tea.KeyDown)
	press(tea.KeyEnter)
	text := ansi.Strip(s.draw())
	assert.Contains(t, text, "address: b:1")
	assert.Contains(t, text, "b is not eligible: it is unhealthy (not_serving)")
	assert.NotContains(t, text, "address: a:1")
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, ansi.StringWidth(strings.TrimRight(line, "\n")), 60)
	}
	press(tea.KeyEnter)
	assert.NotContains(t, ansi.Strip(s.draw()), "address:")
	press(tea.KeyUp)
	press(tea.KeyEnter)
	assert.Contains(t, ansi.Strip(s.draw()), "address: a:1")
}

// Whatever the size of the screen and the list, the arrows go through the rows in the order
// in which they stand, and what is selected or opened can be seen.
func TestWhatIsSelectedAndOpenedIsOnTheScreen(t *testing.T) {
	for _, n := range []int{1, 8, 14, 40} {
		var status cantonlb.Status
		for i := range n {
			e := cantonlb.EndpointStatus{Name: fmt.Sprintf("e%02d", i), Address: fmt.Sprintf("a:%d", i), State: cantonlb.StateHealthy, Eligible: true}
			if i%3 == 2 {
				e.State, e.Eligible, e.Reason = cantonlb.StateUnhealthy, false, report.ReasonNotServing
			}
			status.Endpoints = append(status.Endpoints, e)
		}
		s := newScreen(func() cantonlb.Status { return status }, func() time.Time { return noon })
		s.Update(tea.WindowSizeMsg{Width: 100, Height: 24})
		s.Update(tickMsg{})
		lineOf := func(text string) int {
			return slices.IndexFunc(strings.Split(ansi.Strip(s.draw()), "\n"), func(line string) bool { return strings.Contains(line, text) })
		}
		for i := range n {
			before := s.selected
			s.Update(tea.KeyPressMsg{Code: tea.KeyDown})
			require.NotEqual(t, before, s.selected, "%d of %d", i, n)
			at := lineOf("  " + s.selected + " ")
			require.Positive(t, at, "%s is selected, %d of %d", s.selected, i, n)
			if above := lineOf("  " + before + " "); before != "" && above >= 0 {
				require.Greater(t, at, above, "down is down")
			}
			number, _ := strconv.Atoi(s.selected[1:])
			s.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
			require.Positive(t, lineOf(fmt.Sprintf("address: a:%d", number)), "%s is opened, %d of %d", s.selected, i, n)
			require.Positive(t, lineOf("  "+s.selected+" "), "%s is opened, %d of %d", s.selected, i, n)
			if i%2 == 0 { // some stay open
				s.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
			}
		}
		for range n {
			s.Update(tea.KeyPressMsg{Code: tea.KeyUp})
			require.Positive(t, lineOf("  "+s.selected+" "), "%s is selected, upwards", s.selected)
		}
	}
}

// During a handover, an endpoint that leaves may have the name of one that joins.
func TestAnEndpointThatLeavesIsAnotherOneThanThatOfTheSameNameInTheList(t *testing.T) {
	joins := cantonlb.EndpointStatus{Name: "a", Address: "a:2", State: cantonlb.StateUnreachable, Reason: report.ReasonConnectFailed}
	leaves := cantonlb.EndpointStatus{
		Name: "a", Address: "a:1", State: cantonlb.StateHealthy, Reason: report.ReasonServing, Eligible: true, LeavingSince: noon,
		Probe: report.ProbeStatus{Answered: noon, RoundTrip: 7 * time.Millisecond},
	}
	note := "no endpoint of the list can carry the calls: 1 that has left the list is kept until one can, so correct the list"
	before := leaves
	before.LeavingSince = time.Time{}
	status := cantonlb.Status{Endpoints: []cantonlb.EndpointStatus{before}}
	s := newScreen(func() cantonlb.Status { return status }, func() time.Time { return noon })
	s.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.Update(tickMsg{})
	status = cantonlb.Status{
		Endpoints: []cantonlb.EndpointStatus{joins}, Leaving: []cantonlb.EndpointStatus{leaves}, Notes: []string{note},
		Handover: &report.HandoverStatus{Since: noon, Reason: report.ReasonNoneEligible},
	}
	s.Update(tickMsg{})
	text := ansi.Strip(s.draw())
	assert.Contains(t, text, "handover for 0.0s (none_eligible): 1 that left the list still serve\n")
	assert.Contains(t, text, "so correct the list\n", "a note is wrapped if there is room")
	assert.Regexp(t, `(?m)^  a +unreachable +- +- +connect_failed$`, text, "the round trip is that of the other")
	assert.Regexp(t, `(?m)^  a +healthy +- +7\.00ms +leaving the list; serving$`, text)
	s.Update(tea.KeyPressMsg{Code: tea.KeyDown})
	s.Update(tea.KeyPressMsg{Code: tea.KeyDown})
	s.Update(tea.KeyPressMsg{Code: tea.KeyEnter})
	text = ansi.Strip(s.draw())
	assert.Contains(t, text, "address: a:1")
	assert.Contains(t, text, "a has left the list, and gets calls until an endpoint of the list is")
	assert.NotContains(t, text, "address: a:2", "only one of the two is opened")
}

func TestTheCauseIsNotBehindAnAddressThatTheRowHas(t *testing.T) {
	e := cantonlb.EndpointStatus{Address: "127.0.0.1:5001", State: cantonlb.StateUnreachable, Reason: report.ReasonConnectFailed}
	e.Detail = "dial tcp 127.0.0.1:5001: connect: connection refused"
	assert.Equal(t, "connect_failed: connection refused", why(e, time.Now()))
	e.Detail = "dial tcp 10.0.0.9:5001: connect: connection refused"
	assert.Equal(t, "connect_failed: dial tcp 10.0.0.9:5001: connect: connection refused", why(e, time.Now()), "another address")
}
