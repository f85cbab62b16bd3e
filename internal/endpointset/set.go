package endpointset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/queue"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

// maxWarming bounds how long endpoints that have left the list go on serving
// while those that have joined it find out what they are.
const maxWarming = 5 * time.Second

// Set is a load-balancing policy's endpoints. It implements balancer.Balancer;
// its other methods are safe for concurrent use.
type Set struct {
	policy string
	cc     balancer.ClientConn
	build  balancer.BuildOptions
	budget *checking.Budget
	// questions bounds how many validations run at once.
	questions *checking.Budget
	room      *pick.Room // of the snapshots
	choice    *choice    // of the active; nil if all that are eligible are picked in turn
	teller    *telling.Teller
	// calls are those into grpc, and what grpc is given: in order, with no lock held.
	calls queue.Queue

	ctx    context.Context //nolint:containedctx // it ends with Close, and all that the set has started with it
	cancel context.CancelFunc
	wg     sync.WaitGroup // probes, the flusher, publications; no Add after closed

	// mu guards what follows. Under it only leaves are locked: see docs/architecture.md.
	mu        sync.Mutex
	after     []func() // what must be done without mu; see unlock
	cfg       settings.Config
	list      []*endpoint // in the order of the resolver's list
	byName    map[string]*endpoint
	leaving   []*endpoint
	renewing  map[string]*endpoint // those that are to take the place of one in the list, by its name
	eligible  pick.Roster          // of all endpoints, leaving ones too
	counts    [3]int               // endpoints of each class, leaving ones not
	uneven    bool                 // the weights differ, those of the leaving ones too
	local     int                  // endpoints of the list that stand in the client's zone
	spilled   bool                 // too few of those are eligible, so that calls leave the zone
	warming   int
	retired   map[*conn]struct{}     // retired connections with calls in flight
	asking    int                    // questions about those under way
	ejections map[*endpoint]struct{} // endpoints that are ejected or on trial
	warmed    *time.Timer            // ends the warming at the latest
	problem   error                  // what was wrong with the newest list
	drained   map[string]bool
	changed   chan struct{} // closed when a class changes; nil if nobody waits
	none      time.Time     // since when nobody is eligible, zero if somebody is
	sampling  bool          // the sampler runs, until Close
	sampled   uint32        // the turn at the sampler's last look
	busy      bool          // calls were in flight then
	quiet     time.Time     // the last look at which none were
	closed    bool

	publishing
	counted
	options    Options // of the newest list
	unregister func()  // ends the asking for metrics
}

// New makes the set of the policy with this name.
func New(policy string, cc balancer.ClientConn, opts balancer.BuildOptions) *Set {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Set{
		policy: policy, cc: cc, build: opts, budget: checking.NewBudget(0, 0), questions: checking.NewBudget(0, 0),

		ctx: ctx, cancel: cancel, cfg: settings.DefaultConfig(),
		byName: make(map[string]*endpoint), drained: make(map[string]bool),
		ejections: make(map[*endpoint]struct{}), retired: make(map[*conn]struct{}), renewing: make(map[string]*endpoint),
	}
	s.room = pick.NewRoom(s)
	s.room.EjectAfter(s.cfg.Ejection.ConsecutiveFailures)
	s.teller = telling.New(policy, opts.Target.String(), cc.MetricsRecorder())
	s.unregister = s.teller.Register(s)
	return s
}

// unlock releases mu and then does what had to wait for that: calls are called off.
func (s *Set) unlock() {
	after := s.after
	s.after = nil
	s.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// UpdateClientConnState takes in a list of endpoints and a configuration. The
// endpoints that stay keep their connections, their health and their accounts.
// Those that leave are picked until each new one has its first verdict or has
// failed to connect, or until maxWarming has passed.
func (s *Set) UpdateClientConnState(state balancer.ClientConnState) error {
	resolver.ClaimFrom(state.ResolverState).Take(s)
	list, problem := desired(state.ResolverState)
	cfg, ok := state.BalancerConfig.(*settings.Config)

	s.mu.Lock()
	if s.closed {
		s.unlock()
		return nil
	}
	s.inline = true
	s.options = optionsFrom(state.ResolverState)
	s.teller.LogTo(s.options.Logger)
	if ok && cfg != nil {
		s.cfg = *cfg
		s.room.EjectAfter(cfg.Ejection.ConsecutiveFailures)
		s.reconfigureLocked()
	}
	s.problem = problem
	if problem == nil || errors.Is(problem, errNoEndpoints) {
		s.replaceLocked(list)
	} else {
		s.refusedLocked(problem)
	}
	s.surveyLocked()
	s.startSamplerLocked()
	s.changedLocked()
	s.inline = false
	s.unlock()
	s.publish()
	if problem != nil {
		return balancer.ErrBadResolverState // as it is: some parents compare with ==
	}
	return nil
}

// replaceLocked makes list the list in force. An endpoint is kept if it would be
// made the same way again.
func (s *Set) replaceLocked(list []wanted) {
	s.keepAllLocked()
	next := make([]*endpoint, 0, len(list))
	byName := make(map[string]*endpoint, len(list))
	var fresh []*endpoint
	for _, w := range list {
		e := s.byName[w.name]
		if e == nil || !same(e.want, w) || e.healthCheck != s.cfg.HealthCheck {
			e = s.newEndpointLocked(w)
			fresh = append(fresh, e)
		}
		e.weight, e.zone, e.priority = w.weight, w.zone, w.priority
		next = append(next, e)
		byName[w.name] = e
	}
	gone := s.list
	s.list, s.byName = next, byName
	left := 0
	for _, e := range gone {
		if byName[e.name] != e {
			e.unlisted = true
			s.counts[e.was.Class]--
			if e.warming { // nobody waits for it any more
				e.warming = false
				s.warming--
			}
			s.leaving = append(s.leaving, e)
			if byName[e.name] == nil {
				e.removedLocked()
				left++
			}
		}
	}
	if len(fresh) > 0 || left > 0 {
		s.emitLocked(report.Event{
			Kind: report.EventList, To: report.ListAccepted, At: time.Now(),
			Detail: fmt.Sprintf("endpoints: %d, new or changed: %d, removed: %d", len(list), len(fresh), left),
		})
	}
	for name := range s.drained {
		if byName[name] == nil {
			delete(s.drained, name)
		}
	}
	s.warming += len(fresh)
	for _, e := range fresh {
		e.warming = true
		s.counts[e.was.Class]++
	}
	s.membersLocked()
	for _, e := range fresh {
		e.startLocked()
	}
	if len(s.leaving) > 0 && s.warmed == nil {
		s.armWarmedLocked()
	}
	s.releaseLocked()
}

// armWarmedLocked sees to it that a new endpoint that cannot make up its mind
// does not keep the old ones for ever.
func (s *Set) armWarmedLocked() {
	s.armLocked(&s.warmed, maxWarming, func() {
		for _, e := range s.list {
			e.warming = false
		}
		s.warming = 0
		s.releaseLocked()
	})
}

// releaseLocked lets the leaving endpoints go once the new ones are decided.
func (s *Set) releaseLocked() {
	if len(s.leaving) == 0 || (s.warming > 0 && len(s.list) > 0) {
		return
	}
	gone := s.leaving
	s.leaving = nil
	if s.warmed != nil {
		s.warmed.Stop()
		s.warmed = nil
	}
	s.membersLocked()
	for _, e := range gone {
		e.closeLocked()
	}
}

// reclassLocked accounts for an endpoint's change of class.
func (s *Set) reclassLocked(e *endpoint, was judge.Class) {
	if !e.unlisted {
		s.counts[was]--
		s.counts[e.was.Class]++
		if was == judge.Undecided && s.counts[judge.Undecided] == 0 {
			s.rested = time.Time{}
			if s.timer != nil {
				s.restedLocked()
			}
		}
	}
	if was == judge.Eligible {
		s.eligible.Remove(e.counted)
		e.counted = nil
	}
	if e.was.Class == judge.Eligible {
		e.counted = &e.conn.Conn
		s.eligible.Add(e.counted)
	}
	s.changedLocked()
}

// changedLocked wakes whoever waits for a change, and has a snapshot published.
func (s *Set) changedLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	s.dirtyLocked()
}

// ResolverError hears that the resolver has failed. A good list stays in force.
func (s *Set) ResolverError(err error) {
	s.mu.Lock()
	if s.closed {
		s.unlock()
		return
	}
	s.problem = err
	s.dirty = true
	s.unlock()
	s.publish()
}

// UpdateSubConnState is grpc's old way of telling; every SubConn here has a
// listener.
func (*Set) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle does not wait for the pauses between attempts to connect.
func (s *Set) ExitIdle() {
	s.mu.Lock()
	defer s.unlock()
	for _, e := range s.list {
		e.stepLocked(linkTry, nil)
	}
}

// Close ends all connections and probes, and waits for the latter: see closePatience. It
// may be called more than once.
func (s *Set) Close() {
	s.mu.Lock()
	if s.closed {
		s.unlock()
		return
	}
	s.recordProgressLocked(time.Now())
	s.keepAllLocked()
	s.closed = true
	for _, e := range slices.Concat(s.list, s.leaving) {
		e.closeLocked()
	}
	s.list, s.leaving, s.byName = nil, nil, nil
	s.stopChoosingLocked()
	if s.warmed != nil {
		s.warmed.Stop()
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.changedLocked()
	s.cancel()
	s.unlock()
	s.unregister() // without the lock, which the asking takes
	s.calls.Close(0)
	s.awaitBackground()
	s.teller.Close()
}

// closePatience is how long Close waits for probes, questions and knocks, which end with
// the set. Only code of the program's own can hold them up: a validator that does not
// heed its context, or one that has called Close. Their goroutines end with it.
const closePatience = time.Second

func (s *Set) awaitBackground() {
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		logger.Warningf("%s: closed, although something of the program's own has not returned", s.policy)
	}
}
