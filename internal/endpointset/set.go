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
	"github.com/cantonlb/cantonlb/internal/identity"
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
	// validators asks Options.Validator.
	validators *identity.Asker
	room       *pick.Room // of the snapshots
	choice     *choice    // of the active endpoint; nil if all eligible endpoints are picked in turn
	teller     *telling.Teller
	links      link.Env // of the endpoints
	// scope is the set's lock, the queue of calls into grpc, and what ends with Close.
	scope *scope.Scope

	lifetime

	// The lock guards what follows. Only leaf locks are taken under it: see
	// docs/architecture.md.
	cfg     settings.Config
	options Options // of the newest list
	members
	spread
	sampler      sampler
	moving       moving
	pub          publisher
	books        books
	changed      changes // of a class
	recertifying recertifying
}

// lifetime is what belongs to Close. The set's lock does not guard it.
type lifetime struct {
	left       guard.Left // validators that have not returned in time
	closing    sync.Once  // makes a second Close wait for the first
	unregister func()     // stops the recorder from asking for metrics
}

// spread is how calls are spread over the members.
type spread struct {
	eligible  pick.Roster // of all endpoints, including leaving ones
	counts    [3]int      // endpoints of each class, without leaving ones
	ejections ejections
}

// New returns the set of the policy with this name.
func New(policy string, cc balancer.ClientConn, opts balancer.BuildOptions) *Set {
	s := &Set{
		policy: policy, cc: cc, build: transport.NewBuilder(opts), budget: checking.NewBudget(0, 0),
		scope: scope.New(), cfg: settings.DefaultConfig(),
		members: members{byName: make(map[string]*endpoint), drained: make(map[string]bool), renewing: make(renewals)},
		spread:  spread{ejections: make(ejections)},
		moving:  make(moving),
	}
	s.validators = identity.NewAsker(&s.left)
	s.handover = newListHandover(s)
	s.pub = newPublisher(s)
	s.books.set, s.recertifying.set = s, s
	s.sampler = sampler{set: s, retired: make(map[*conn]struct{})}
	s.room = pick.NewRoom(source{s})
	s.room.EjectAfter(s.cfg.Ejection.ConsecutiveFailures)
	s.links = link.Env{
		Scope: s.scope, Channel: cc, Room: s.room, Close: s.Close,
		Dialer: func() healthcheck.DialFunc { return s.build.DialFunc() },
		Fresh:  func() bool { return s.options.Validator != nil },
	}
	s.teller = telling.New(policy, opts.Target.String(), cc.MetricsRecorder())
	s.unregister = s.teller.Register(&s.books)
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
	s.pub.Hold(true)
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
	s.recertifying.start()
	s.changedLocked()
	s.pub.Hold(false)
	s.scope.Unlock()
	s.pub.Now()
	if problem != nil {
		return balancer.ErrBadResolverState // unwrapped: some parents compare with ==
	}
	return nil
}

// reclassLocked counts an endpoint's change of class.
func (e *endpoint) reclassLocked(was judge.Class) {
	s := e.set
	if !e.unlisted {
		s.counts[was]--
		s.counts[e.was.Class]++
		if was == judge.Undecided && s.counts[judge.Undecided] == 0 {
			s.pub.EndRest()
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
	s.changed.wake()
	s.pub.Mark()
}

// changes wakes those that wait for a change.
type changes struct{ c chan struct{} } // nil if there is no waiter

// next returns a channel that is closed at the next change.
func (x *changes) next() <-chan struct{} {
	if x.c == nil {
		x.c = make(chan struct{})
	}
	return x.c
}

func (x *changes) wake() {
	if x.c != nil {
		close(x.c)
		x.c = nil
	}
}

// ResolverError handles an error of the resolver. A valid list stays in effect.
func (s *Set) ResolverError(err error) {
	s.scope.Lock()
	if s.scope.Closed() {
		s.scope.Unlock()
		return
	}
	s.problem = err
	s.pub.Outdate()
	s.scope.Unlock()
	s.pub.Now()
}

// UpdateSubConnState is not used: every SubConn here has a listener.
func (*Set) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle ends the pauses between attempts to connect.
func (s *Set) ExitIdle() {
	s.scope.Lock()
	defer s.scope.Unlock()
	for _, e := range slices.Collect(s.all()) {
		e.link.Try()
	}
}

// Close ends all connections and probes, and waits for the probes; see closePatience.
// It logs what has not returned by then. It may be called more than once.
func (s *Set) Close() { s.closing.Do(s.close) }

func (s *Set) close() {
	s.scope.Lock()
	s.books.record(time.Now())
	s.renewing.giveUp()
	s.scope.Close()
	for _, e := range slices.Collect(s.all()) {
		e.closeLocked()
	}
	checkers := s.checkers()
	s.list, s.byName = nil, nil
	s.handover.stop()
	s.choice.stop()
	s.moving.stop()
	s.pub.Stop()
	s.changedLocked()
	if f := s.options.OnClose; f != nil {
		s.scope.After(f)
	}
	s.scope.Unlock()
	s.scope.EndCalls()
	s.room.Publish(nil)
	s.endForeign(checkers)
}
