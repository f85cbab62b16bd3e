package configfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/limits"
	"github.com/cantonlb/cantonlb/internal/strictjson"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/shard"
)

// ShardsConfig is what the config file of a shard.Router holds: the settings of the Router,
// and those of its shards with their clients.
type ShardsConfig struct {
	shard.Config

	// Shards are the shards by their names, which consist of letters, digits, dots, dashes
	// and underscores.
	Shards map[string]ShardConfig
}

// ShardConfig is one shard of a config file, as shard.Shard.
type ShardConfig struct {
	// Client is the gRPC client; nil if there is none. Its Role is ParticipantLedger by
	// default, and its Name that of the shard.
	Client *cantonlb.Config
	// JSON is the client of the JSON API; nil if there is none. Its Role is JSONAPI by
	// default, and its Name that of the shard with "-json".
	JSON *jsonapi.Config
	// Discovery is the client of the look-ups; nil if that is Client. Its Role is
	// ParticipantLedger by default, and its Name that of the shard with "-discovery".
	Discovery *cantonlb.Config

	// The other fields are those of shard.Shard. In the file the key of NoDiscovery is
	// lookUps, with the opposite value, and there is none for Credentials and Live.
	Credentials                   credentials.PerRPCCredentials
	IdentityProvider, Participant string
	NoDiscovery                   bool
	Parties, Users, Providers     []string
	Live                          func() bool
}

// LoadShards is like Load for a router of shards. The file has the structure of
// ShardsConfig. It must have the key shards. If it has none, that is the only error, since
// the file is for another kind of client.
func LoadShards(path string) (ShardsConfig, error) {
	data, err := readFile(path)
	if err != nil {
		return ShardsConfig{}, err
	}
	c, _, err := parseShards(path, data)
	return c, err
}

// ParseShards is like LoadShards for text that does not come from a file. Its errors have
// no File.
func ParseShards(data []byte) (ShardsConfig, error) {
	c, _, err := parseShards("", data)
	return c, err
}

// parseShards also returns the document, for errors that are found later.
func parseShards(file string, data []byte) (ShardsConfig, *document, error) {
	document, err := parseDocument(file, data)
	if err != nil {
		return ShardsConfig{}, nil, err
	}
	var c ShardsConfig
	if document.json[0] == '{' && !document.has(shardsKey) {
		return c, nil, document.locate(&configerr.Error{Field: shardsKey, Problem: "missing", Want: "the shards by their names"})
	}
	var faults fault.List
	faults.Add(strictjson.Object(document.json, shardsKeys(&c)))
	faults.AddOthers(c.check())
	if err := faults.Err(); err != nil {
		return ShardsConfig{}, nil, document.locate(err)
	}
	return c, document, nil
}

// shardsKey is the key that only the file of a router has.
const shardsKey = "shards"

// ofRouter is the error of a file of a router that is read as that of a client; nil if it
// is none.
func (d *document) ofRouter() error {
	if !d.has(shardsKey) {
		return nil
	}
	return d.locate(&configerr.Error{
		Field: shardsKey, Problem: "is of a router of shards", Want: "NewRouter, or the endpoints of one service",
	})
}

// The bounds of values in the file of a router.
const (
	maxRefresh  = 24 * time.Hour
	maxShard    = limits.MaxClientName - len("-discovery") // so that the names of its clients fit
	maxKnown    = 100_000_000
	maxNames    = 100_000
	maxIdentity = 1024
	leastKnown  = 1000
)

// shardsKeys returns the keys of the file of a router, each with the reader of its value.
func shardsKeys(c *ShardsConfig) map[string]reader {
	return map[string]reader{
		shardsKey:          readShards(&c.Shards),
		"name":             strictjson.String(&c.Name, limits.MaxClientName),
		"default":          strictjson.String(&c.Default, maxShard),
		"preferPermission": strictjson.Bool(&c.PreferPermission),
		"order":            strictjson.Array(shard.MaxShards, readString(&c.Order, maxShard)),
		"spreadReads":      strictjson.Bool(&c.SpreadReads),
		"refresh":          strictjson.Duration(&c.Refresh, maxRefresh),
		"negativeTTL":      strictjson.Duration(&c.NegativeTTL, maxRefresh),
		"lookUpTimeout":    strictjson.Duration(&c.LookUpTimeout, maxRefresh),
		"maxParties":       strictjson.Int(&c.MaxParties, leastKnown, maxKnown),
		"maxUsers":         strictjson.Int(&c.MaxUsers, leastKnown, maxKnown),
	}
}

// shardKeys returns the keys of one shard.
func shardKeys(s *ShardConfig) map[string]reader {
	return map[string]reader{
		"client":           readClient(&s.Client),
		"json":             readJSONAPI(&s.JSON),
		"discovery":        readClient(&s.Discovery),
		"identityProvider": strictjson.String(&s.IdentityProvider, maxIdentity),
		"participant":      strictjson.String(&s.Participant, maxIdentity),
		"lookUps":          readNegated(&s.NoDiscovery),
		"parties":          strictjson.Array(maxNames, readString(&s.Parties, maxIdentity)),
		"users":            strictjson.Array(maxNames, readString(&s.Users, maxIdentity)),
		"providers":        strictjson.Array(maxNames, readString(&s.Providers, maxIdentity)),
	}
}

// readShards reads the shards, whose keys are their names.
func readShards(dst *map[string]ShardConfig) reader {
	return func(raw json.RawMessage) error {
		var keys map[string]json.RawMessage
		if json.Unmarshal(raw, &keys) != nil || len(keys) == 0 || len(keys) > shard.MaxShards {
			return &configerr.Error{
				Problem: fmt.Sprintf("%d of them", len(keys)), Want: fmt.Sprintf("a mapping of 1 to %d names to shards", shard.MaxShards),
			}
		}
		*dst = make(map[string]ShardConfig, len(keys))
		readers := make(map[string]reader, len(keys))
		for name := range keys {
			readers[name] = func(raw json.RawMessage) error {
				var s ShardConfig
				err := readShard(name, &s)(raw)
				(*dst)[name] = s
				return err
			}
		}
		return strictjson.Object(raw, readers)
	}
}

func readShard(name string, s *ShardConfig) reader {
	return func(raw json.RawMessage) error {
		if !isShardName(name) {
			return &configerr.Error{
				Problem: "no name of a shard", Want: fmt.Sprintf("1 to %d letters, digits, dots, dashes and underscores", maxShard),
			}
		}
		err := strictjson.Object(raw, shardKeys(s))
		if err == nil && s.Client == nil && s.JSON == nil {
			err = &configerr.Error{Problem: "neither client nor json is there", Want: "at least one of them"}
		}
		s.name(name)
		return err
	}
}

func isShardName(name string) bool {
	return name != "" && len(name) <= maxShard && limits.IsPlainName(name)
}

// name sets the names that clients have by default.
func (s *ShardConfig) name(shard string) {
	for _, x := range []struct {
		c      *cantonlb.Config
		suffix string
	}{{s.Client, ""}, {s.Discovery, "-discovery"}} {
		if x.c != nil && x.c.Name == "" {
			x.c.Name = shard + x.suffix
		}
	}
	if s.JSON != nil && s.JSON.Name == "" {
		s.JSON.Name = shard + "-json"
	}
}

// readClient reads the settings of a gRPC client.
func readClient(dst **cantonlb.Config) reader {
	return func(raw json.RawMessage) error {
		c := &cantonlb.Config{Role: cantonlb.ParticipantLedger}
		*dst = c
		var faults fault.List
		faults.Add(strictjson.Object(raw, keysOf(c)))
		faults.AddOthers(c.Check())
		return faults.Err()
	}
}

// readJSONAPI reads the settings of a client of the JSON API.
func readJSONAPI(dst **jsonapi.Config) reader {
	return func(raw json.RawMessage) error {
		c := &jsonapi.Config{Role: jsonapi.JSONAPI}
		*dst = c
		var faults fault.List
		faults.Add(strictjson.Object(raw, jsonAPIKeys(c)))
		faults.AddOthers(c.Check())
		return faults.Err()
	}
}

// check checks what is not about one shard alone, as shard.New does, and that no two
// clients have the same name.
func (c ShardsConfig) check() error {
	var faults fault.List
	used := make(map[string]bool)
	all := c.places()
	for _, p := range slices.SortedFunc(maps.Keys(all), place.compare) {
		name := all[p].name()
		faults.Check(!used[name], p.String()+".name", fault.Quote(name), "another name for each client")
		used[name] = true
	}
	shards := c.shards(nil)
	for name, s := range shards {
		s.Client = placeholder{} // what is missing was reported before
		shards[name] = s
	}
	faults.Add(c.Config.Check(shards))
	return faults.Err()
}

// placeholder stands for a client that is not made yet.
type placeholder struct{ grpc.ClientConnInterface }
