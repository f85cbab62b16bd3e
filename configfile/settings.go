package configfile

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/resolver"
	"github.com/cantonlb/cantonlb/shard"
)

// The keys of the clients of a shard.
const (
	keyClient    = "client"
	keyJSON      = "json"
	keyDiscovery = "discovery"
)

var clientKeys = []string{keyClient, keyJSON, keyDiscovery}

// settings are those of one client of a shard.
type settings interface {
	name() string
	endpoints() []resolver.Endpoint
	// insists reports whether endpoints that leave the list end at once.
	insists() bool
	make(opts []grpc.DialOption) (liveClient, error)
	// pending returns the keys by which they differ from those at the start, other than
	// those that take effect at once.
	pending(start settings) []string
}

// liveClient is a client of a shard.
type liveClient interface {
	Update(endpoints []resolver.Endpoint) error
	UpdateNow(endpoints []resolver.Endpoint) error
	// addTo sets the field of a shard that has this key.
	addTo(x *shard.Shard, key string)
	// retire closes the client once its calls have ended, at the latest with ctx or after
	// retireLimit.
	retire(ctx context.Context)
	Close() error
}

// places returns the settings of all clients by their places.
func (c ShardsConfig) places() map[place]settings {
	all := make(map[place]settings)
	for name, s := range c.Shards {
		if s.Client != nil {
			all[place{name, keyClient}] = grpcSettings{*s.Client}
		}
		if s.JSON != nil {
			all[place{name, keyJSON}] = httpSettings{*s.JSON}
		}
		if s.Discovery != nil {
			all[place{name, keyDiscovery}] = grpcSettings{*s.Discovery}
		}
	}
	return all
}

// clone returns a copy whose clients can be completed.
func (c ShardsConfig) clone() ShardsConfig {
	list := make(map[string]ShardConfig, len(c.Shards))
	for name, s := range c.Shards {
		s.Client, s.Discovery = cloneOf(ofGRPC, s.Client), cloneOf(ofGRPC, s.Discovery)
		s.JSON = cloneOf(ofHTTP, s.JSON)
		list[name] = s
	}
	c.Shards = list
	return c
}

func cloneOf[C any](k clients[C], cfg *C) *C {
	if cfg == nil {
		return nil
	}
	copied := k.clone(*cfg)
	return &copied
}

// grpcSettings are those of a gRPC client.
type grpcSettings struct{ cfg cantonlb.Config }

func (s grpcSettings) name() string                   { return s.cfg.Name }
func (s grpcSettings) endpoints() []resolver.Endpoint { return s.cfg.Endpoints }
func (s grpcSettings) insists() bool                  { return s.cfg.Handover == cantonlb.HandoverImmediate }

func (s grpcSettings) make(opts []grpc.DialOption) (liveClient, error) {
	c, err := cantonlb.NewClient(s.cfg, slices.Clip(opts)...)
	if err != nil {
		return nil, err // an interface that is nil
	}
	return grpcClient{c}, nil
}

func (s grpcSettings) pending(start settings) []string {
	was, _ := start.(grpcSettings)
	return changedKeys(was.cfg, s.cfg, followedKeys...)
}

type grpcClient struct{ *cantonlb.Client }

func (c grpcClient) addTo(x *shard.Shard, key string) {
	if key == keyDiscovery {
		x.Discovery = c.Client
		return
	}
	x.Client = c.Client
}

func (c grpcClient) retire(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, retireLimit)
	defer cancel()
	_ = c.Shutdown(ctx) // it says which calls did not finish, and their callers know
}

// httpSettings are those of a client of the JSON API.
type httpSettings struct{ cfg jsonapi.Config }

func (s httpSettings) name() string                   { return s.cfg.Name }
func (s httpSettings) endpoints() []resolver.Endpoint { return s.cfg.Endpoints }
func (httpSettings) insists() bool                    { return false }

func (s httpSettings) make([]grpc.DialOption) (liveClient, error) {
	c, err := jsonapi.New(s.cfg)
	if err != nil {
		return nil, err // an interface that is nil
	}
	return httpClient{c}, nil
}

func (s httpSettings) pending(start settings) []string {
	was, _ := start.(httpSettings)
	return changedKeys(was.cfg, s.cfg, followedKeys...)
}

type httpClient struct{ *jsonapi.Client }

// UpdateNow implements liveClient. Endpoints that leave the list are always kept until the
// new list can be picked.
func (c httpClient) UpdateNow(endpoints []resolver.Endpoint) error { return c.Update(endpoints) }

func (c httpClient) addTo(x *shard.Shard, _ string) { x.JSON = c.Client }

func (c httpClient) retire(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, retireLimit)
	defer cancel()
	_ = c.Shutdown(ctx) // as above
}
