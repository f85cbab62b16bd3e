package failover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/selector"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/report"
)

// Config says how a Group probes its members and chooses among them. The zero
// value of each field means its default.
type Config struct {
	// HealthCheck is the schedule of the probes, and the thresholds.
	HealthCheck healthcheck.Config
	// FailBack says whether the active gives way to a preferred member. Default
	// FailBackNever.
	FailBack FailBack
	// HoldDown is how long a preferred member must have been eligible first. Default
	// 10 s, at most 24 h.
	HoldDown time.Duration
}

// Member is one of a Group.
type Member struct {
	// Name is unique in the Group: printable, of at most 256 bytes.
	Name string
	// Priority ranks it: the lower, the more preferred. Members of the same
	// priority are preferred in their order.
	Priority int
	// Probes say how its health is learnt. Check is required. A member should be
	// healthy only while it is the active one of its service. Probes that implement
	// io.Closer are closed by the Group.
	Probes healthcheck.Probes
}

// Group chooses one of several members that are no endpoints of a gRPC channel,
// by the same rules as the policy active_passive: the base URLs of an HTTP service,
// say, or the addresses of a database. Its methods are safe for concurrent use.
type Group struct {
	monitor *healthcheck.Monitor
	members []Member
	ids     map[string]int // of names; the member with ID n is members[n-1]
	first   time.Duration  // the first pause of a search
	events  *event.Log[change]
	active  atomic.Pointer[string] // its name; nil while nobody is active
	wanted  selector.Bell          // ask everybody now

	cancel context.CancelFunc
	wg     sync.WaitGroup // the searcher

	// mu guards what follows. A Checker's lock comes before it; under it none but
	// that of events is taken.
	mu      sync.Mutex
	state   *selector.Chooser
	claims  map[int]bool  // whether a member's last word was that it serves
	changed chan struct{} // closed and replaced when another member is active
	closed  bool
}

// The bounds of a Group.
const (
	maxName     = 256
	keptChanges = 1024
)

var errClosed = errors.New("failover: the group is closed")

// NewGroup starts to probe the members, and goes on until Close. It does not wait
// for any of them; Await does. An error tells all that is wrong with cfg and members:
// a *configerr.Error, or several joined. Then nothing has been started, and the
// probes have not been closed.
func NewGroup(cfg Config, members []Member) (*Group, error) {
	health, err := checkGroup(cfg, members)
	if err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	g := &Group{
		members: append([]Member(nil), members...), ids: make(map[string]int), first: health.SuspectInterval,
		events: event.NewLog[change](keptChanges), wanted: selector.NewBell(),
		claims: make(map[int]bool), changed: make(chan struct{}),
	}
	g.state = selector.NewChooser(selector.Config{FailBack: cfg.FailBack, HoldDown: cfg.HoldDown}, &g.mu, g.chosenLocked)
	targets := make([]healthcheck.Target, 0, len(members))
	list := make([]selector.Member, 0, len(members))
	for i, m := range g.members {
		targets = append(targets, healthcheck.Target{Name: m.Name, Probes: m.Probes})
		list = append(list, selector.Member{ID: i + 1, Name: m.Name, Priority: m.Priority})
		g.ids[m.Name] = i + 1
	}
	_ = g.state.Choose(selector.Event{Kind: selector.EventMembers, Members: list}) // is no command
	g.monitor, err = healthcheck.NewMonitor(health, targets, g.transition)
	if err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	g.wg.Go(func() { g.search(ctx) })
	return g, nil
}

// checkGroup finds all that is wrong with the settings of a group, and returns those
// of its health checks with their defaults.
func checkGroup(cfg Config, members []Member) (healthcheck.Config, error) {
	var faults fault.List
	switch cfg.FailBack {
	case "", FailBackNever, FailBackAfterHold:
	default:
		faults.Check(false, "failBack", fault.Quote(cfg.FailBack), strictjson.OneOf(FailBackNever, FailBackAfterHold))
	}
	faults.Check(cfg.HoldDown >= 0 && cfg.HoldDown <= healthcheck.MaxSetting, "holdDown", fmt.Sprintf("%q", cfg.HoldDown),
		fmt.Sprintf("a duration above zero and of at most %v", healthcheck.MaxSetting))
	health, err := cfg.HealthCheck.WithDefaults()
	faults.AddIn("healthCheck", err)
	if len(members) == 0 {
		faults.Add(&configerr.Error{Field: "members", Problem: "empty list", Want: "at least one member"})
	}
	seen := make(map[string]int, len(members))
	for i, m := range members {
		field := fmt.Sprintf("members[%d]", i)
		name := m.Name != "" && len(m.Name) <= maxName && cleantext.Printable(m.Name)
		faults.Check(name, field+".name", fault.Quote(m.Name), fmt.Sprintf("1 to %d bytes of printable text", maxName))
		if j, taken := seen[m.Name]; taken && name {
			faults.AddIn(field, &configerr.Error{
				Field: "name", Value: fault.Quote(m.Name), Problem: fmt.Sprintf("the name of members[%d] already", j), Want: "a unique name",
			})
		} else {
			seen[m.Name] = i
		}
		if m.Probes.Check == nil {
			faults.AddIn(field, &configerr.Error{Value: fault.Quote(m.Name), Problem: "no Check probe", Want: "one"})
		}
	}
	return health, faults.Err()
}

// transition hears of a change of a member's health, from its checker.
func (g *Group) transition(t report.HealthTransition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := g.ids[t.Target]
	condition := selector.Condition{Reason: t.Reason}
	switch t.To {
	case report.Healthy:
		condition.Standing = selector.Fit
		g.claims[id] = t.Reason == report.ReasonServing
	case report.Suspect:
		condition.Standing = selector.Suspect // its last word stands
	case report.Unhealthy:
		condition.Standing = selector.Out
		g.claims[id] = false
	default:
		condition.Standing = selector.Undecided
	}
	condition.Claims = g.claims[id]
	if active, found := g.state.Active(); found && active.ID == id && t.From == report.Healthy {
		g.wanted.Ring() // in doubt about the active, ask everybody
	}
	_ = g.chooseLocked(selector.Event{Kind: selector.EventCondition, ID: id, Condition: condition}) // is no command
}

// chooseLocked takes in an event. The error is nil unless a command was refused.
func (g *Group) chooseLocked(e selector.Event) error {
	if g.closed {
		return errClosed
	}
	if err := g.state.Choose(e); err != nil {
		return fmt.Errorf("failover: %w", err)
	}
	return nil
}

// chosenLocked does what follows from an event.
func (g *Group) chosenLocked(before selector.State, effects selector.Effects) {
	if effects.Changed {
		g.active.Store(nil)
		if active, found := g.state.Active(); found {
			g.active.Store(&active.Name)
		} else {
			g.wanted.Ring()
		}
		close(g.changed)
		g.changed = make(chan struct{})
	}
	if effects.Changed || effects.Multiple || before.Pinned() != g.state.Pinned() {
		g.events.Append(change{state: g.state.Status(), taken: effects.Switch.Report()})
	}
}

// search asks everybody when it is told to, and goes on while nobody is active.
func (g *Group) search(ctx context.Context) {
	timer := time.NewTimer(g.first)
	defer timer.Stop()
	for rounds := 0; ; rounds++ {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-g.wanted:
			asked, rounds = true, 0
		case <-timer.C:
		}
		seeking := g.active.Load() == nil
		if asked || seeking {
			g.monitor.ProbeNow()
		}
		if seeking {
			timer.Reset(selector.SearchPause(rounds, g.first, rand.Float64()))
		}
	}
}

// Close ends the probes, the subscriptions and the waits, and waits for the probes.
// It may be called more than once; the later calls give nil.
func (g *Group) Close() error {
	g.mu.Lock()
	g.closed = true
	g.active.Store(nil)
	g.state.Stop()
	select {
	case <-g.changed:
	default:
		close(g.changed)
	}
	g.mu.Unlock()
	g.events.Close()
	g.cancel()
	g.wg.Wait()
	return g.monitor.Close()
}
