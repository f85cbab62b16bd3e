package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/lease/internal/machine"
	"github.com/cantonlb/cantonlb/lease/internal/share"
)

// GroupConfig sets which leases a group has.
type GroupConfig struct {
	// Config is the configuration of each lease. Its Name is the group's, the same in
	// all processes: 1 to 193 bytes. The lease Name + "/wanted" belongs to the group, too.
	Config

	// Names are the leases, the same in all processes: 1 to 200, all different.
	Names []string
	// RebalanceEvery is the shortest time between two leases that this process releases
	// to others for an even distribution. Default TTL.
	RebalanceEvery time.Duration
}

const (
	// maxNames bounds a group: each process reads all of its leases.
	maxNames = 200
	// wanted is what the name of the group's own lease ends with.
	wanted = "/wanted"
)

// Group holds one process's share of several leases, each of which is live once,
// spread evenly over the processes that run the group. When a process joins, the
// processes with the most leases release leases to it, one at a time. When a process
// leaves, those with the fewest take its leases. A lease does not move as long as no
// process has two more than another one.
//
// Before a process takes a free lease, it waits Poll/2 for each lease that it has more
// than another process. A takeover may take longer by that time.
type Group struct {
	cfg        GroupConfig
	member     string
	candidates []*Candidate
	wanted     *Candidate
	events     *event.Log[Event]
	ran        atomic.Bool
}

// NewGroup returns a Group that does nothing before Run. The errors name the field of
// cfg, its value and what would be right.
func NewGroup(cfg GroupConfig) (*Group, error) {
	if len(cfg.Names) == 0 || len(cfg.Names) > maxNames {
		return nil, fmt.Errorf("lease: Names: %d of them; want 1 to %d", len(cfg.Names), maxNames)
	}
	if most := maxName - len(wanted); cfg.Name == "" || len(cfg.Name) > most {
		return nil, fmt.Errorf("lease: Name %q: want 1 to %d bytes of printable text", cleantext.Detail(cfg.Name), most)
	}
	g := &Group{cfg: cfg, events: event.NewLog[Event](keptEvents)}
	own := cfg.Config
	own.Name += wanted
	own.Observe, own.Logger = nil, slog.New(slog.DiscardHandler)
	var err error
	if g.wanted, err = NewCandidate(own); err != nil {
		return nil, err
	}
	g.member = g.wanted.params.Holder
	g.wanted.params.Delay = -1 // it wants nothing yet
	g.cfg.TTL, g.cfg.Poll = g.wanted.cfg.TTL, g.wanted.cfg.Poll
	switch {
	case cfg.RebalanceEvery < 0 || cfg.RebalanceEvery > 0 && cfg.RebalanceEvery < time.Millisecond:
		return nil, fmt.Errorf("lease: RebalanceEvery %v: want a duration of at least 1ms, or 0 for the default", cfg.RebalanceEvery)
	case cfg.RebalanceEvery == 0:
		g.cfg.RebalanceEvery = g.cfg.TTL
	}
	for i, name := range cfg.Names {
		if slices.Contains(cfg.Names[:i], name) || name == own.Name {
			return nil, fmt.Errorf("lease: Names[%d] %q: want a name that no other lease has", i, cleantext.Detail(name))
		}
		one := cfg.Config
		one.Name, one.Observe = name, g.observe
		c, err := NewCandidate(one)
		if err != nil {
			return nil, fmt.Errorf("%w (Names[%d])", err, i)
		}
		c.setHolder(g.member)
		g.candidates = append(g.candidates, c)
	}
	return g, nil
}

// observe passes the events of all leases to the observer's queue; deliver calls the
// observer.
func (g *Group) observe(e Event) { g.events.Append(e) }

// Run holds the process's share of the leases, and runs work for each, concurrently. A
// lease whose work has returned nil without being stopped is left to others
// permanently. Run returns the error of a work that has returned without being
// stopped. Otherwise it returns when ctx has ended or all leases were left to others,
// and all work has returned. It may be called once.
func (g *Group) Run(ctx context.Context, work Work) error {
	if g.ran.Swap(true) {
		return errors.New("lease: Run was called before; a Group runs once")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reader, delivered := g.events.Reader(), make(chan struct{})
	go func() { //nolint:contextcheck // events are delivered after ctx has ended, too
		defer close(delivered)
		g.deliver(reader)
	}()
	var wg sync.WaitGroup
	for _, c := range g.candidates {
		wg.Go(func() {
			if err := c.Run(ctx, work); err != nil {
				cancel(err) // which changes nothing if ctx has ended before
			}
		})
	}
	balancing, over := context.WithCancel(ctx)
	var balance sync.WaitGroup
	balance.Go(func() { _ = g.wanted.Run(balancing, wish) }) // it ends with balancing
	balance.Go(func() { g.balance(balancing) })
	wg.Wait()
	over()
	balance.Wait()
	g.events.Close()
	awaitDelivered(delivered) //nolint:contextcheck // it has a limit of its own
	return context.Cause(ctx)
}

// wish is the work of who says that it should have more.
func wish(ctx context.Context, _ Lease) error {
	<-ctx.Done()
	return nil
}

func (g *Group) deliver(reader *event.Reader[Event]) {
	for {
		events, _, err := reader.Next(context.Background())
		if err != nil {
			return
		}
		if g.cfg.Observe == nil {
			continue
		}
		for _, e := range events {
			g.cfg.Observe(e)
		}
	}
}

// balance does what the plan of the moment says, again and again.
func (g *Group) balance(ctx context.Context) {
	tick := time.NewTicker(g.cfg.Poll)
	defer tick.Stop()
	var (
		yielded, since time.Time // when a lease was left to others; since when there is this wanter
		wanter         string
	)
	for {
		view := g.view()
		if view.Wanter != wanter {
			wanter, since = view.Wanter, time.Now()
		}
		plan := share.Decide(view)
		for _, c := range g.candidates {
			c.tellMachine(machine.Event{Kind: machine.Defer, Delay: time.Duration(plan.Ahead) * g.cfg.Poll / 2})
		}
		g.say(plan.Want)
		// The others know the wanter by then, and leave it the lease.
		known := time.Since(since) >= 2*g.cfg.Poll
		if plan.Yield && known && time.Since(yielded) >= g.cfg.RebalanceEvery && g.yield() {
			yielded = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *Group) view() share.View {
	v := share.View{Me: g.member, Wanter: g.wanted.Status().Holder}
	for _, c := range g.candidates {
		if s := c.Status(); s.State != StateClosed {
			v.Holders = append(v.Holders, s.Holder)
		}
	}
	return v
}

// say says that the process should have more, or ceases to.
func (g *Group) say(want bool) {
	delay := time.Duration(-1)
	if want {
		delay = 0
	}
	g.wanted.tellMachine(machine.Event{Kind: machine.Defer, Delay: delay})
	if !want {
		g.wanted.tellMachine(machine.Event{Kind: machine.Yield})
	}
}

// yield leaves the lease to others that was acquired last, unless one is being left
// already.
func (g *Group) yield() bool {
	var held []*Candidate
	for _, c := range g.candidates {
		switch c.Status().State {
		case StateHolder:
			held = append(held, c)
		case StateEnding:
			return false
		default:
		}
	}
	newest, ok := share.Newest(held, func(a, b *Candidate) int { return a.Status().Since.Compare(b.Status().Since) })
	if ok {
		newest.tellMachine(machine.Event{Kind: machine.Yield})
	}
	return ok
}

// Member returns the process's own name in the group: the Holder of its leases.
func (g *Group) Member() string { return g.member }
