package endpointset

import (
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/internal/scope"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/resolver"
)

// Set is the set of a load-balancing policy's endpoints. It implements
// balancer.Balancer; its other methods are safe for concurrent use.
type Set struct {
	policy string
	cc     balancer.ClientConn
	build  transport.Builder
	budget *checking.Budget
	// questions bounds how many validations run at once.
	questions *checking.Budget
	room      *pick.Room // of the snapshots
	choice    *choice    // of the active endpoint; nil if all eligible endpoints are picked in turn
	teller    *telling.Teller
	links     link.Env // of the endpoints
	// scope is the set's lock, the queue of calls into grpc, and what ends with Close.
	scope *scope.Scope

	lifetime

	// The lock guards what follows. Only leaf locks are taken under it: see
	// docs/architecture.md.
	cfg     settings.Config
	options Options // of the newest list
	members
	spread
	sampler sampler
	moving  moving
	pub     publisher
	counted
	changed chan struct{} // closed when a class changes; nil if there is no waiter
	// recertifies reports that the files of client certificates are followed.
	recertifies bool
}

// lifetime is what belongs to Close. The set's lock does not guard it.
type lifetime struct {
	left       guard.Left // validators that have not returned in time
	closing    sync.Once  // makes a second Close wait for the first
	unregister func()     // stops the recorder from asking for metrics
}

// members are the endpoints of a set.
type members struct {
	list     []*endpoint // in the order of the resolver's list
	byName   map[string]*endpoint
	drained  map[string]bool
	problem  error     // what was wrong with the newest list
	refused  bool      // the newest list was refused, here or before it reached the set
	handover *handover // from the list before; it may have nothing to do
	// setHandover replaces the setting Handover; "" if it was not set.
	setHandover settings.Handover
	renewing    map[string]*endpoint // successors of endpoints in the list, by name
}

// spread is how calls are spread over the members.
type spread struct {
	eligible  pick.Roster            // of all endpoints, including leaving ones
	counts    [3]int                 // endpoints of each class, without leaving ones
	ejections map[*endpoint]struct{} // endpoints that are ejected or on trial
}

// New returns the set of the policy with this name.
func New(policy string, cc balancer.ClientConn, opts balancer.BuildOptions) *Set {
	s := &Set{
		policy: policy, cc: cc, build: transport.NewBuilder(opts), budget: checking.NewBudget(0, 0), questions: checking.NewBudget(0, 0),
		scope: scope.New(), cfg: settings.DefaultConfig(),
		members: members{byName: make(map[string]*endpoint), drained: make(map[string]bool), renewing: make(map[string]*endpoint)},
		spread:  spread{ejections: make(map[*endpoint]struct{})},
		moving:  make(moving),
	}
	s.handover = s.newListHandover()
	s.pub.set = s
	s.sampler = sampler{set: s, retired: make(map[*conn]struct{})}
	s.room = pick.NewRoom(s)
	s.room.EjectAfter(s.cfg.Ejection.ConsecutiveFailures)
	s.links = link.Env{
		Scope: s.scope, Channel: cc, Room: s.room, Close: s.Close,
		Dialer: func() healthcheck.DialFunc { return s.build.DialFunc() },
		Fresh:  func() bool { return s.options.Validator != nil },
	}
	s.teller = telling.New(policy, opts.Target.String(), cc.MetricsRecorder())
	s.unregister = s.teller.Register(s)
	return s
}

// UpdateClientConnState applies a list of endpoints and a configuration. The endpoints
// that stay keep their connections, health and counts. Those that leave are picked
// until each new one has its first verdict or has failed to connect, and at least one
// endpoint of the list is eligible: see leaving.go.
func (s *Set) UpdateClientConnState(state balancer.ClientConnState) error {
	resolver.ClaimFrom(state.ResolverState).Take(s)
	list, problem := wanted.Read(state.ResolverState)
	cfg, ok := state.BalancerConfig.(*settings.Config)

	s.scope.Lock()
	if s.scope.Closed() {
		s.scope.Unlock()
		return nil
	}
	s.pub.inline = true
	s.options = optionsFrom(state.ResolverState)
	s.teller.LogTo(s.options.Logger)
	if ok && cfg != nil {
		s.cfg = *cfg
		s.room.EjectAfter(cfg.Ejection.ConsecutiveFailures)
		s.room.SlowStart(cfg.SlowStart)
		s.choice.reconfigure()
	}
	s.problem = problem
	if problem == nil || errors.Is(problem, wanted.ErrNone) {
		s.replaceLocked(list)
	} else {
		s.refusedLocked(problem)
	}
	s.pub.survey()
	s.sampler.start()
	s.startRecertifying()
	s.changedLocked()
	s.pub.inline = false
	s.scope.Unlock()
	s.pub.now()
	if problem != nil {
		return balancer.ErrBadResolverState // unwrapped: some parents compare with ==
	}
	return nil
}

// replaceLocked replaces the current list by list. An endpoint is kept if it would be
// made the same way again, even one that is leaving.
func (s *Set) replaceLocked(list []wanted.Endpoint) {
	s.keepAllLocked()
	wanted.Recognize(list, s.presentLocked())
	leaving := byNames(s.handover.old)
	next := make([]*endpoint, 0, len(list))
	byName := make(map[string]*endpoint, len(list))
	var fresh []*endpoint
	for _, w := range list {
		e := s.keptLocked(w, leaving)
		if e == nil {
			e = s.newEndpointLocked(w)
			fresh = append(fresh, e)
		} else {
			e.link.Readdress(w.Addrs)
		}
		e.weight, e.zone, e.priority = w.Weight, w.Zone, w.Priority
		next = append(next, e)
		byName[w.Name] = e
	}
	gone := s.list
	s.list, s.byName = next, byName
	now := time.Now()
	var released []*endpoint
	left := 0
	for _, e := range gone {
		if byName[e.name] == e {
			continue
		}
		if !e.leaveLocked(now) {
			released = append(released, e)
		}
		if byName[e.name] == nil {
			left++
		}
	}
	for _, e := range next {
		if e.unlisted {
			e.listedAgainLocked()
		}
	}
	for _, e := range s.handover.old {
		e.superseded = e.superseded || byName[e.name] != nil
	}
	s.acceptedLocked(len(fresh), left)
	for name := range s.drained {
		if byName[name] == nil {
			delete(s.drained, name)
		}
	}
	for _, e := range fresh {
		s.handover.join(e)
		s.counts[e.was.Class]++
	}
	s.choice.members()
	for _, e := range released {
		e.superseded = byName[e.name] != nil
		e.releaseLocked()
	}
	for _, e := range fresh {
		e.startLocked()
	}
	f := s.handover.facts()
	f.Changed = len(fresh) > 0
	s.handover.step(f)
}

// keptLocked returns the endpoint that a new list keeps for w: one of the list, or one
// that is leaving. It is nil if the endpoint has to be made.
func (s *Set) keptLocked(w wanted.Endpoint, leaving map[string][]*endpoint) *endpoint {
	kept := func(e *endpoint) bool { return e.presentLocked().Stays(w) && e.healthCheck == s.cfg.HealthCheck }
	if e := s.byName[w.Name]; e != nil && kept(e) {
		return e
	}
	for _, e := range leaving[w.Name] {
		if kept(e) && !s.drained[w.Name] {
			return e
		}
	}
	return nil
}

func byNames(list []*endpoint) map[string][]*endpoint {
	m := make(map[string][]*endpoint, len(list))
	for _, e := range list {
		m[e.name] = append(m[e.name], e)
	}
	return m
}

// presentLocked returns the endpoints of the list as a new list is compared with.
func (s *Set) presentLocked() []wanted.Present {
	present := make([]wanted.Present, len(s.list))
	for i, e := range s.list {
		present[i] = e.presentLocked()
	}
	return present
}

func (e *endpoint) presentLocked() wanted.Present {
	p := wanted.Present{Name: e.name, Addrs: e.link.Addrs()}
	if e.conn != nil {
		p.Connected = &e.conn.Address
	}
	return p
}

// reclassLocked counts an endpoint's change of class.
func (e *endpoint) reclassLocked(was judge.Class) {
	s := e.set
	if !e.unlisted {
		s.counts[was]--
		s.counts[e.was.Class]++
		if was == judge.Undecided && s.counts[judge.Undecided] == 0 {
			s.pub.rested = time.Time{}
			if s.pub.timer.Armed() {
				s.pub.wakeUp()
			}
		}
	}
	if was == judge.Eligible {
		s.eligible.Remove(e.counted)
		e.counted = nil
	}
	if e.was.Class == judge.Eligible {
		e.served = true
		e.counted = &e.conn.Conn.Conn
		s.eligible.Add(e.counted)
	}
	s.changedLocked()
}

// changedLocked wakes all that wait for a change, and has a snapshot published.
func (s *Set) changedLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	s.pub.mark()
}

// ResolverError handles an error of the resolver. A valid list stays in effect.
func (s *Set) ResolverError(err error) {
	s.scope.Lock()
	if s.scope.Closed() {
		s.scope.Unlock()
		return
	}
	s.problem = err
	s.pub.dirty = true
	s.scope.Unlock()
	s.pub.now()
}

// UpdateSubConnState is not used: every SubConn here has a listener.
func (*Set) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle ends the pauses between attempts to connect.
func (s *Set) ExitIdle() {
	s.scope.Lock()
	defer s.scope.Unlock()
	for _, e := range slices.Concat(s.list, s.handover.old) {
		e.link.Try()
	}
}

// Close ends all connections and probes, and waits for the probes; see closePatience.
// It logs what has not returned by then. It may be called more than once.
func (s *Set) Close() { s.closing.Do(s.close) }

func (s *Set) close() {
	s.scope.Lock()
	s.recordProgressLocked(time.Now())
	s.keepAllLocked()
	s.scope.Close()
	for _, e := range slices.Concat(s.list, s.handover.old) {
		e.closeLocked()
	}
	checkers := s.checkersLocked()
	s.list, s.byName = nil, nil
	s.handover.stop()
	s.choice.stop()
	s.moving.stop()
	s.pub.timer.Stop()
	s.changedLocked()
	if f := s.options.OnClose; f != nil {
		s.scope.After(f)
	}
	s.scope.Unlock()
	s.scope.EndCalls()
	s.room.Publish(nil)
	s.endForeign(checkers)
}
