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

// Config holds the settings by which a Group probes its members and chooses among
// them. The zero value of each field means its default.
type Config struct {
	// HealthCheck holds the schedule of the probes and the thresholds.
	HealthCheck healthcheck.Config
	// FailBack says whether the active member is replaced once a preferred one is
	// eligible again. Default FailBackNever.
	FailBack FailBack
	// HoldDown is how long a preferred member must have been eligible before it
	// replaces the active one. Default 10 s, at most 24 h.
	HoldDown time.Duration
}

// Member is one of the members that a Group chooses from.
type Member struct {
	// Name identifies the member. It is unique in the Group, printable, and at most
	// 256 bytes long.
	Name string
	// Priority ranks the member: a lower number is preferred. Members of equal
	// priority are preferred in the order of the list.
	Priority int
	// Probes determine the member's health. Check is required. A member should be
	// healthy only while it is the active one of its service. Probes that implement
	// io.Closer are closed by the Group.
	Probes healthcheck.Probes
}

// Group chooses one of several members that are not endpoints of a gRPC channel, by
// the same rules as the policy active_passive. Members are, for example, the base
// URLs of an HTTP service or the addresses of a database. Its methods are safe for
// concurrent use.
type Group struct {
	monitor *healthcheck.Monitor
	members []Member
	ids     map[string]int // by name; the member with ID n is members[n-1]
	first   time.Duration  // the first pause of a search
	events  *event.Log[change]
	active  atomic.Pointer[string] // its name; nil while no member is active
	wanted  selector.Bell          // probe all members now

	cancel context.CancelFunc
	wg     sync.WaitGroup // the searcher

	// mu guards the fields below. The only lock acquired while it is held is that of
	// events.
	mu      sync.Mutex
	state   *selector.Chooser
	claims  map[int]bool  // whether the member's last answer was that it serves
	changed chan struct{} // closed and replaced when the active member changes
	closed  bool
}

// The bounds of a Group.
const (
	maxName     = 256
	keptChanges = 1024
)

var errClosed = errors.New("failover: the group is closed")

// NewGroup starts probing the members and continues until Close. It does not wait
// for any of them; Await does. The error reports everything that is wrong with cfg
// and members: it is a *configerr.Error, or several joined. In that case nothing
// has been started and the probes have not been closed.
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
	_ = g.state.Choose(selector.Event{Kind: selector.EventMembers, Members: list}) // not a command, so never refused
	g.monitor, err = healthcheck.NewMonitor(health, targets, g.transition)
	if err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	g.wg.Go(func() { g.search(ctx) })
	return g, nil
}

// checkGroup checks all settings of a group, and returns those of its health checks
// with their defaults.
func checkGroup(cfg Config, members []Member) (healthcheck.Config, error) {
	var faults fault.List
	switch cfg.FailBack {
	case "", FailBackNever, FailBackAfterHold:
	default:
		faults.Check(false, "failBack", fault.Quote(cfg.FailBack), strictjson.OneOf(FailBackNever, FailBackAfterHold))
	}
	faults.Check(cfg.HoldDown >= 0 && cfg.HoldDown <= healthcheck.MaxSetting, "holdDown", fmt.Sprintf("%q", cfg.HoldDown),
		fmt.Sprintf("a duration above zero and of at most %v", healthcheck.MaxSetting))
	strictjson.CheckUnit(&faults, "holdDown", cfg.HoldDown)
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

// transition is called by a member's checker when the member's health changes.
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
		condition.Standing = selector.Suspect // its last answer stands
	case report.Unhealthy:
		condition.Standing = selector.Out
		g.claims[id] = false
	default:
		condition.Standing = selector.Undecided
	}
	condition.Claims = g.claims[id]
	if active, found := g.state.Active(); found && active.ID == id && t.From == report.Healthy {
		g.wanted.Ring() // the active member is in doubt: probe all members
	}
	_ = g.chooseLocked(selector.Event{Kind: selector.EventCondition, ID: id, Condition: condition}) // not a command, so never refused
}

// chooseLocked applies an event. The error is nil unless a command was refused.
func (g *Group) chooseLocked(e selector.Event) error {
	if g.closed {
		return errClosed
	}
	if err := g.state.Choose(e); err != nil {
		return fmt.Errorf("failover: %w", err)
	}
	return nil
}

// chosenLocked carries out the consequences of an event.
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

// search probes all members when wanted rings, and repeats that while no member is
// active.
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

// Close stops the probes, ends the subscriptions and the calls of Await, and waits
// for the probes. It returns within a second: probes that have not returned by then are
// left alone, and the error names them. It also reports what closing the probes has
// returned. It may be called more than once; only the first call returns an error.
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
	if err := g.monitor.Close(); err != nil {
		return fmt.Errorf("failover: %w", err)
	}
	return nil
}
