package shard

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/follow"
)

// Router finds the shard that hosts a party, a user, or the parties that a request names.
// It is a grpc.ClientConnInterface, which generated stubs take in place of a
// *grpc.ClientConn. Its methods are safe for concurrent use.
type Router struct {
	cfg    Config
	prefer preference
	grace  time.Duration
	events *event.Log[Event]
	ctx    context.Context //nolint:containedctx // of the look-ups, which Close ends
	cancel context.CancelFunc
	wg     sync.WaitGroup
	list   atomic.Pointer[members]
	// changed has a token if the shards have changed since the last refresh.
	changed  chan struct{}
	outcomes outcomes
	follower follow.RouterFollower // nil: no file is followed
	// unfollow and release are the two steps in which Close ends the follower.
	unfollow, release sync.Once

	// mu guards what follows. Only the lock of events is taken under it.
	mu      sync.Mutex
	parties *directory
	users   *directory
	asking  map[key]*lookUp
	asks    int // that are under way
	number  uint64
	// happened counts the events.
	happened map[happening]uint64
	closed   bool
}

// Target is the shard that a request belongs to.
type Target struct {
	// Name is the name of the shard.
	Name string
	Shard

	counts *counts
}

// New returns a Router of these shards, by their names, and starts to look up which
// parties and users they have. It does not wait for that. The caller must close the Router,
// and the clients after it.
//
// The error reports every fault of the arguments. Each is a *configerr.Error, and all are
// joined.
func New(shards map[string]Shard, cfg Config, opts ...Option) (*Router, error) {
	if err := cfg.Check(shards); err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	cfg, _ = cfg.settle() // without a fault
	r := &Router{
		cfg: cfg, grace: grace,
		prefer: preference{order: cfg.Order, permission: cfg.PreferPermission, spread: cfg.SpreadReads},
		events: event.NewLog[Event](keptEvents), asking: make(map[key]*lookUp), changed: make(chan struct{}, 1), happened: make(map[happening]uint64),
		parties: newDirectory(cfg.MaxParties, cfg.NegativeTTL), users: newDirectory(cfg.MaxUsers, cfg.NegativeTTL),
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.list.Store(newMembers(shards, nil))
	for _, o := range opts {
		if o.Start != nil {
			r.follower = o.Start(followed{r})
		}
	}
	r.wg.Go(r.refresh)
	return r, nil
}

// For returns the shard that hosts a party, as for a read at an offset: see KindPinned.
func (r *Router) For(ctx context.Context, party string) (Target, error) {
	return r.find(ctx, Request{Method: "For", Parties: []string{party}})
}

// ForUser returns the shard of a user: the only one where the user exists. If it exists on
// several, it is the only one of these that hosts its primary party there, or, if it has
// none, the parties that it may act or read as.
func (r *Router) ForUser(ctx context.Context, user string) (Target, error) {
	if err := checkName(user); err != nil {
		return Target{}, refuse(&RequestError{Method: "ForUser", Field: "user", Problem: err.Error()})
	}
	return r.find(WithUser(ctx, user), Request{Method: "ForUser"})
}

// ForProvider returns the shard that lists an OAuth provider.
func (r *Router) ForProvider(_ context.Context, provider string) (Target, error) {
	if r.ctx.Err() != nil {
		return Target{}, refuse(ErrClosed)
	}
	list := r.list.Load()
	name, ok := list.providers[provider]
	if !ok {
		return Target{}, refuse(r.noProvider(list, provider))
	}
	t, err := list.byName[name].trusted()
	return t, refuse(err)
}

func (r *Router) noProvider(list *members, provider string) error {
	e := &NowhereError{Provider: provider}
	for _, name := range list.names {
		e.Asked = append(e.Asked, Answer{Shard: name, Standing: StandingAbsent})
	}
	return e
}

// Route returns the shard that a request belongs to, by what the request says and what its
// context says: see WithParty. It looks up what is not known, until ctx ends; the look-up
// goes on for others. Errors are *NowhereError, *AmbiguousError, *SplitError,
// *UndecidedError, *MovedError, *UnroutedError, *UnknownShardError, *IdentityError,
// *RequestError, *ClientError, ErrClosed, or the context's, to be found with errors.As and
// errors.Is. All of them have a gRPC status: NOT_FOUND if no shard has what was looked for,
// UNAVAILABLE if a shard has not answered or is another participant, INVALID_ARGUMENT for
// a request that cannot be read, DEADLINE_EXCEEDED or CANCELED by the context or Close,
// and FAILED_PRECONDITION otherwise.
func (r *Router) Route(ctx context.Context, q Request) (Target, error) {
	t, err := r.find(ctx, q)
	if err == nil && !t.has(q.HTTP) {
		err = &ClientError{Shard: t.Name, HTTP: q.HTTP}
	}
	if err != nil {
		return Target{}, r.outcomes.refuse(err)
	}
	t.counts.requests.Add(1)
	return t, nil
}

// Update replaces the shards. What is known of a shard is kept by its name, unless its
// Discovery, Credentials, Participant or IdentityProvider has changed. Requests in flight
// are not affected. Parties whose submissions went to a shard that is removed may submit
// at another one from then on. An invalid list is an error and changes nothing.
func (r *Router) Update(shards map[string]Shard) error {
	if err := r.cfg.checkShards(shards); err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return refuse(ErrClosed)
	}
	before := r.list.Load()
	list := newMembers(shards, before)
	var added, removed int
	for _, name := range before.names {
		m := list.byName[name]
		if m == nil {
			removed++
			maps.DeleteFunc(r.happened, func(h happening, _ uint64) bool { return h.shard == name })
		}
		if m == nil || !m.sameSource(before.byName[name]) {
			r.parties.forget(name, m != nil)
			r.users.forget(name, m != nil)
		}
	}
	for _, name := range list.names {
		if before.byName[name] == nil {
			added++
		}
	}
	r.list.Store(list)
	told := r.eventLocked(EventShards, "", fmt.Sprintf("%d shards: %d added, %d removed", len(list.names), added, removed))
	for _, under := range r.asking {
		for w := range under.waiters {
			wake(w)
		}
	}
	r.mu.Unlock()
	wake(r.changed)
	r.tell(told)
	return nil
}

// Shards returns the shards by their names, with their clients, such as those that package
// configfile has made. What it returns may be changed.
func (r *Router) Shards() map[string]Shard {
	list := r.list.Load()
	all := make(map[string]Shard, len(list.names))
	for name, m := range list.byName {
		all[name] = m.Shard
	}
	return all
}

// Forget drops all that is known of a party, so that it is looked up again, and its
// submissions may go to another shard than before: see MovedError.
func (r *Router) Forget(party string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parties.remove(party)
}

// Close ends all look-ups and waits for them. Requests that wait for a look-up, and later
// ones, fail with ErrClosed. It does not close the clients, except those that package
// configfile has made. It may be called more than once. It always returns nil.
func (r *Router) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.unfollow.Do(func() {
		if r.follower != nil {
			r.follower.Close()
		}
	})
	r.cancel()
	r.wg.Wait()
	r.release.Do(func() {
		if r.follower != nil {
			r.follower.Release()
		}
	})
	r.events.Close()
	return nil
}
