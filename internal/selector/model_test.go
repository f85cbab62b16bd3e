package selector

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/cantonlb/cantonlb/report"
)

// modelSteps is how many steps the model test takes in all. For a long run:
//
//	SELECTOR_MODEL_STEPS=1000000 go test -run Model ./internal/selector
func modelSteps(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SELECTOR_MODEL_STEPS")
	if text == "" {
		return 30_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "SELECTOR_MODEL_STEPS")
	return n
}

// model receives the same events as the selector, and computes its own, simpler
// state.
type model struct {
	t     *rapid.T
	state State
	now   time.Time
	wake  time.Time
	cfg   Config

	list     []Member
	standing map[int]Standing
	drained  map[string]bool
	// up is since when a member has been eligible, and gap since when it is
	// undecided after that.
	up, gap map[int]time.Time
	pin     string

	last     Member
	number   uint64
	switched time.Time
	nextID   int
}

func newModel(t *rapid.T) *model {
	cfg := Config{
		FailBack: rapid.SampledFrom([]FailBack{FailBackNever, FailBackAfterHold}).Draw(t, "failBack"),
		HoldDown: time.Duration(rapid.IntRange(1, 20).Draw(t, "hold")) * time.Second,
	}
	return &model{
		t: t, state: New(cfg), now: epoch, cfg: cfg, standing: map[int]Standing{}, drained: map[string]bool{},
		up: map[int]time.Time{}, gap: map[int]time.Time{},
	}
}

func (m *model) eligible(x Member) bool {
	return m.standing[x.ID] >= Suspect && !m.drained[x.Name] && (m.pin == "" || m.pin == x.Name)
}

// step draws an event, keeps the books of it, and checks what becomes of it.
func (m *model) step() {
	e := m.draw()
	e.At = m.now
	before := m.state
	frozen := slices.Clone(before.members)
	after, effects := before.Next(e)
	again, _ := before.Next(e)
	require.Equal(m.t, after, again, "the same event does the same")
	require.Equal(m.t, frozen, before.members, "the state before is left alone")
	if effects.Refused != nil {
		require.Equal(m.t, before, after)
		require.GreaterOrEqual(m.t, e.Kind, EventSwitch)
	} else {
		m.note(e)
	}
	m.state, m.wake = after, effects.Wake
	require.True(m.t, m.wake.IsZero() || m.wake.After(m.now), "a wake-up in the past")
	m.check(e, before, effects)
}

var modelNames = []string{"a", "b", "c", "d"}

func (m *model) draw() Event {
	t := m.t
	name := func() string { return rapid.SampledFrom(modelNames).Draw(t, "name") }
	kinds := []Kind{EventCondition, EventCondition, EventCondition, EventCondition, EventTime, EventTime, EventTime,
		EventMembers, EventSwitch, EventPin, EventUnpin, EventDrain, EventUndrain, EventConfig}
	if len(m.list) == 0 {
		kinds = []Kind{EventMembers}
	}
	switch k := rapid.SampledFrom(kinds).Draw(t, "event"); k {
	case EventCondition:
		x := m.list[rapid.IntRange(0, len(m.list)-1).Draw(t, "member")]
		return Event{Kind: k, ID: x.ID, Condition: Condition{
			Standing: rapid.SampledFrom([]Standing{Out, Undecided, Suspect, Fit, Fit}).Draw(t, "standing"),
			Reason:   report.ReasonNotServing, Claims: rapid.Bool().Draw(t, "claims"),
		}}
	case EventTime:
		next := m.now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "ms")) * time.Millisecond)
		if !m.wake.IsZero() && m.wake.Before(next) {
			next = m.wake
		}
		m.now = next
		return Event{Kind: k}
	case EventMembers:
		return Event{Kind: k, Members: m.drawList()}
	case EventConfig:
		m.cfg.FailBack = rapid.SampledFrom([]FailBack{FailBackNever, FailBackAfterHold}).Draw(t, "failBack")
		return Event{Kind: k, Config: m.cfg}
	default:
		return Event{Kind: k, Name: name()}
	}
}

// drawList draws a list in which some members are those of now and some are new.
func (m *model) drawList() []Member {
	var list []Member
	names := rapid.Permutation(modelNames).Draw(m.t, "names")
	for _, name := range names[:rapid.IntRange(0, len(names)).Draw(m.t, "length")] {
		x := Member{Name: name, Priority: rapid.IntRange(0, 2).Draw(m.t, "priority")}
		i := slices.IndexFunc(m.list, func(y Member) bool { return y.Name == name })
		if i >= 0 && rapid.Bool().Draw(m.t, "stays") {
			x.ID = m.list[i].ID
		} else {
			m.nextID++
			x.ID, x.Drained = m.nextID, m.drained[name]
		}
		list = append(list, x)
	}
	return list
}

// note keeps the books of an event that was not refused.
func (m *model) note(e Event) {
	switch e.Kind {
	case EventMembers:
		m.list = e.Members
		in := map[string]bool{}
		for _, x := range m.list {
			in[x.Name] = true
			if x.ID == m.last.ID {
				x.Drained = false
				m.last = x
			}
			if _, known := m.standing[x.ID]; !known {
				m.standing[x.ID] = Undecided
			}
		}
		for name := range m.drained {
			if !in[name] {
				delete(m.drained, name)
			}
		}
		if !in[m.pin] {
			m.pin = ""
		}
	case EventCondition:
		m.noteStanding(e.ID, e.Condition.Standing)
	case EventPin:
		m.pin = e.Name
	case EventUnpin:
		m.pin = ""
	case EventDrain:
		m.drained[e.Name] = true
	case EventUndrain:
		if m.drained[e.Name] {
			for _, x := range m.list {
				if x.Name == e.Name {
					m.up[x.ID] = m.now
				}
			}
		}
		delete(m.drained, e.Name)
	case EventTime, EventConfig, EventSwitch:
	}
}

func (m *model) noteStanding(id int, s Standing) {
	was := m.standing[id]
	m.standing[id] = s
	switch {
	case s == Out:
		delete(m.up, id)
	case s == Undecided && was != Undecided:
		m.gap[id] = m.now
	case s >= Suspect && was == Undecided && !m.up[id].IsZero() && m.now.Sub(m.gap[id]) < Patience:
	case s >= Suspect && was < Suspect:
		m.up[id] = m.now
	}
}

// check holds what the selector says against the books.
func (m *model) check(e Event, before State, effects Effects) {
	t := m.t
	was, wasAny := before.Active()
	is, found := m.state.Active()
	changed := was.ID != is.ID
	require.Equal(t, changed, effects.Changed, "every change is reported")
	if found {
		i := slices.IndexFunc(m.list, func(x Member) bool { return x.ID == is.ID })
		require.GreaterOrEqual(t, i, 0, "the active member is in the list")
		waits := is.ID == was.ID && m.standing[is.ID] == Undecided && m.now.Sub(m.gap[is.ID]) < Patience
		require.True(t, m.eligible(m.list[i]) || waits && !m.drained[is.Name] && (m.pin == "" || m.pin == is.Name))
	}
	takesOver := changed && found && is.ID != m.last.ID
	require.Equal(t, takesOver, effects.Switch.Number != 0, "every switch has an event, and nothing else has")
	if takesOver {
		m.number++
		sw := effects.Switch
		require.Equal(t, Switch{Number: m.number, From: m.last, To: is, Reason: sw.Reason, At: m.now}, sw)
		require.NotEmpty(t, sw.Reason)
		m.checkReason(e, was, wasAny, sw)
		m.switched = m.now
	}
	if found {
		m.last = is
	}
	require.Equal(t, m.number, m.state.Number())
	require.Equal(t, m.pin, m.state.Pinned())
	if someone := slices.ContainsFunc(m.list, m.eligible); someone && !m.state.Waiting() {
		require.True(t, found, "a member that can serve does")
	}
}

// checkReason checks that no member was replaced without a reason, and none became
// active too early.
func (m *model) checkReason(e Event, was Member, wasAny bool, sw Switch) {
	t := m.t
	switch sw.Reason {
	case report.ReasonByHand:
		require.Equal(t, EventSwitch, e.Kind)
		return
	case report.ReasonPinned:
		require.Equal(t, EventPin, e.Kind)
		return
	case report.ReasonFailBack:
		require.Equal(t, FailBackAfterHold, m.cfg.FailBack)
		require.Empty(t, m.pin)
		require.GreaterOrEqual(t, m.now.Sub(m.up[sw.To.ID]), m.cfg.HoldDown, "no fail-back before the hold-down")
		require.GreaterOrEqual(t, m.now.Sub(m.switched), m.cfg.HoldDown, "no fail-back right after a switch")
		rank := func(x Member) [2]int {
			i := slices.IndexFunc(m.list, func(y Member) bool { return y.ID == x.ID })
			return [2]int{m.list[i].Priority, i}
		}
		to, from := rank(sw.To), rank(was)
		require.Negative(t, slices.Compare(to[:], from[:]), "only to a preferred one")
		return
	default:
	}
	if wasAny {
		i := slices.IndexFunc(m.list, func(x Member) bool { return x.ID == was.ID })
		require.False(t, i >= 0 && m.eligible(m.list[i]), "the active member stays while it is eligible")
	}
}

// settle lets time pass without any event, after which nothing may change.
func (m *model) settle() {
	switches := 0
	for wakes := 0; !m.wake.IsZero(); wakes++ {
		require.Less(m.t, wakes, 3*len(modelNames)+3, "it never comes to rest")
		m.now = m.wake
		e := Event{Kind: EventTime, At: m.now}
		before := m.state
		var effects Effects
		m.state, effects = before.Next(e)
		m.wake = effects.Wake
		m.check(e, before, effects)
		if effects.Switch.Number != 0 {
			switches++
		}
	}
	require.LessOrEqual(m.t, switches, len(modelNames))
	e := Event{Kind: EventTime, At: m.now.Add(24 * time.Hour)}
	_, effects := m.state.Next(e)
	require.False(m.t, effects.Changed, "a state that stays healthy stops changing")
}

func TestTheModelHoldsForAnyHistory(t *testing.T) {
	const most = 100 // steps of one history
	steps := 0
	for total := modelSteps(t); steps < total; {
		rapid.Check(t, func(t *rapid.T) {
			m := newModel(t)
			for range rapid.IntRange(1, most).Draw(t, "steps") {
				m.step()
				steps++
			}
			m.settle()
		})
	}
	t.Logf("%d steps", steps)
}
