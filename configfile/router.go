package configfile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/follow"
	"github.com/cantonlb/cantonlb/internal/same"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/shard"
)

// NewRouter returns a router of shards, with all its clients, that is configured by a config
// file (see LoadShards). It follows the file until the router is closed, which closes the
// clients too. When the file changes, these take effect:
//
//   - shards and clients that are new or are no longer in it. A client that is no longer in
//     it is closed once its calls have ended, after 30 s at the latest
//   - the endpoints and the handover of each client, as those of NewClient do
//   - of a shard: identityProvider, participant, lookUps, parties, users and providers
//
// A change of any other key takes effect at the next start: Router.Status().File names them.
// A file that cannot be read or is not valid changes nothing, and is reported by an event and
// by Status.
//
// opts are those of cantonlb.NewClient, for each gRPC client. Errors are those of LoadShards,
// and those of the clients and of shard.New with the position in the file.
func NewRouter(path string, opts ...grpc.DialOption) (*shard.Router, error) {
	return NewRouterWith(path, nil, opts...)
}

// NewRouterWith is like NewRouter, for a program that sets in Go what a file cannot hold:
// Logger and Read of the Router, Credentials and Live of the shards, and what
// NewClientWith and NewJSONAPIClientWith name for the clients. complete is called as that
// of NewClientWith is; it must not add or remove shards and clients.
func NewRouterWith(path string, complete func(*ShardsConfig), opts ...grpc.DialOption) (*shard.Router, error) {
	data, cfg, document, err := ofShards.read(path)
	if err != nil {
		return nil, err
	}
	all := ofShards.completed(cfg, complete)
	t := &followedShards{opts: opts, start: cfg.Config, ready: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	made, err := t.change(cfg, all)
	if err == nil {
		start := func(r follow.Router) follow.RouterFollower {
			t.refuser = r
			t.follower = ofShards.follow(path, data, complete, t)
			return t
		}
		t.router, err = shard.New(all.shards(made.clients), all.Config, follow.RouterOption{Start: start})
		err = named(err)
	}
	if err != nil {
		made.undo()
		t.cancel()
		return nil, document.locate(err)
	}
	t.commit(made, all)
	close(t.ready)
	return t.router, nil
}

// ofShards are the files of routers.
var ofShards = kind[ShardsConfig]{parse: parseShards, clone: ShardsConfig.clone}

// followedShards are the shards of a router that follows a file. It makes their clients.
type followedShards struct {
	opts     []grpc.DialOption
	start    shard.Config // that of the file when the router was made
	router   *shard.Router
	refuser  follow.Router
	follower *follower[ShardsConfig]
	ready    chan struct{}   // closed when all is made
	ctx      context.Context //nolint:containedctx // ends with Release
	cancel   context.CancelFunc
	retiring sync.WaitGroup

	// After ready, only the goroutine of the watcher uses the fields below, and Release
	// when that has ended.
	clients map[place]*shardClient
	shards  map[string]ShardConfig // as they are in effect
	refusal bool                   // the newest content was refused
}

// place is a client's place in the file: a shard and a key in it.
type place struct{ shard, key string }

// String returns the path of the place.
func (p place) String() string { return fault.Join(shardsKey, fault.Key(p.shard)) + "." + p.key }

// compare orders places.
func (p place) compare(other place) int { return strings.Compare(p.String(), other.String()) }

// shardClient is a client of a shard.
type shardClient struct {
	liveClient

	start settings // those of the file when it was made
	// file and all are the settings in effect, as in the file and with what the program adds.
	file, all settings
}

// change is what a new content changes.
type change struct {
	clients map[place]*shardClient
	undone  []func()
}

// undo takes everything back.
func (c *change) undo() {
	for _, f := range slices.Backward(c.undone) {
		f()
	}
}

// change makes the clients that are new, and updates the endpoints of the others.
func (t *followedShards) change(cfg, all ShardsConfig) (*change, error) {
	c := &change{clients: make(map[place]*shardClient)}
	file, completed := cfg.places(), all.places()
	for _, p := range slices.SortedFunc(maps.Keys(file), place.compare) {
		is, full := file[p], completed[p]
		if full == nil {
			return c, fault.Prefix(p.String(), errors.New("removed by the function that completes the config file; want it to keep all clients"))
		}
		if old := t.clients[p]; old != nil {
			now, err := old.updated(is, full)
			if err != nil {
				return c, fault.Prefix(p.String(), named(err))
			}
			c.clients[p] = now
			c.undone = append(c.undone, func() { _, _ = now.updated(old.file, old.all) })
			continue
		}
		made, err := full.make(t.opts)
		if err != nil {
			return c, fault.Prefix(p.String(), named(err))
		}
		c.clients[p] = &shardClient{liveClient: made, start: is, file: is, all: full}
		c.undone = append(c.undone, func() { _ = made.Close() })
	}
	return c, nil
}

// updated returns the client with the endpoints of these settings in effect.
func (c *shardClient) updated(file, all settings) (*shardClient, error) {
	now := &shardClient{liveClient: c.liveClient, start: c.start, file: file, all: all}
	same := sameEndpoints(c.file.endpoints(), file.endpoints())
	insist := all.insists() && (!same || !c.all.insists())
	var err error
	switch {
	case insist:
		err = c.UpdateNow(all.endpoints())
	case !same:
		err = c.Update(all.endpoints())
	}
	return now, err
}

// commit remembers what is in effect.
func (t *followedShards) commit(c *change, all ShardsConfig) {
	t.clients, t.shards = c.clients, all.Shards
}

// Apply implements follows.
func (t *followedShards) Apply(cfg, all ShardsConfig) error {
	select {
	case <-t.ready:
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
	c, err := t.change(cfg, all)
	if err == nil && (t.refusal || t.differs(c, all)) {
		err = named(t.router.Update(all.shards(c.clients)))
	}
	if err != nil {
		c.undo()
		t.Refused(err)
		return err
	}
	before := t.clients
	t.commit(c, all)
	t.refusal = false
	for p, old := range before {
		if c.clients[p] == nil {
			t.retiring.Go(func() { old.retire(t.ctx) })
		}
	}
	return nil
}

// differs reports whether the router needs other shards.
func (t *followedShards) differs(c *change, all ShardsConfig) bool {
	if len(c.clients) != len(t.clients) || !maps.EqualFunc(t.shards, all.Shards, sameBare) {
		return true
	}
	for p := range c.clients {
		if t.clients[p] == nil {
			return true
		}
	}
	return false
}

// Refused implements follows.
func (t *followedShards) Refused(err error) {
	t.refusal = true
	t.refuser.Refused(err)
}

// Pending implements follows.
func (t *followedShards) Pending(cfg ShardsConfig) []string {
	keys := changedKeys(t.start, cfg.Config)
	for p, s := range cfg.places() {
		for _, key := range s.pending(t.clients[p].start) {
			keys = append(keys, p.String()+"."+key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Status implements follow.RouterFollower.
func (t *followedShards) Status() report.FileStatus { return t.follower.Status() }

// Close implements follow.RouterFollower.
func (t *followedShards) Close() (left string) { return t.follower.Close() }

// Release implements follow.RouterFollower.
func (t *followedShards) Release() {
	t.cancel()
	t.retiring.Wait()
	for _, c := range t.clients {
		_ = c.Close()
	}
}

// retireLimit is how long the calls of a client that has left the file may take.
const retireLimit = 30 * time.Second

// named returns errors that begin with the field, and not with a package.
func named(err error) error {
	return fault.Map(err, func(err error) error {
		inner := errors.Unwrap(err)
		for _, name := range []string{"cantonlb: ", "jsonapi: ", "shard: "} {
			if inner != nil && strings.HasPrefix(err.Error(), name) {
				return inner
			}
		}
		return err
	})
}

// sameBare reports whether two shards are the same but for their clients and functions.
func sameBare(a, b ShardConfig) bool {
	return same.Value(a.Credentials, b.Credentials) &&
		a.IdentityProvider == b.IdentityProvider && a.Participant == b.Participant && a.NoDiscovery == b.NoDiscovery &&
		slices.Equal(a.Parties, b.Parties) && slices.Equal(a.Users, b.Users) && slices.Equal(a.Providers, b.Providers)
}

// shards returns the shards with their clients.
func (c ShardsConfig) shards(clients map[place]*shardClient) map[string]shard.Shard {
	list := make(map[string]shard.Shard, len(c.Shards))
	for name, s := range c.Shards {
		x := shard.Shard{
			Credentials: s.Credentials, IdentityProvider: s.IdentityProvider, Participant: s.Participant, NoDiscovery: s.NoDiscovery,
			Parties: s.Parties, Users: s.Users, Providers: s.Providers, Live: s.Live,
		}
		for _, key := range clientKeys {
			if client := clients[place{name, key}]; client != nil {
				client.addTo(&x, key)
			}
		}
		list[name] = x
	}
	return list
}
