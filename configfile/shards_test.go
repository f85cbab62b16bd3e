package configfile_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
	"github.com/cantonlb/cantonlb/shard"
)

const everyShardsKey = `
name: parties
shards:
  p1:
    client: {endpoints: [{name: a, address: "https://p1a:5001"}, {address: "https://p1b:5001"}], deadAfter: 5s}
    json: {endpoints: [{address: "https://p1a:7575"}], role: json_api_2, name: web}
    discovery: {endpoints: [{address: "https://p1a:5001", token: hush-hush}], role: ""}
    identityProvider: idp1
    participant: p1::1220
    parties: ["alice::1220", "bob::1220"]
    users: [u1]
  p.2:
    json: {role: oauth2_middleware, endpoints: [{address: "http://m:80"}]}
    lookUps: false
    providers: [https://auth.example.com]
default: p1
preferPermission: true
order: [p.2, p1]
spreadReads: true
refresh: 1m
negativeTTL: 2s
lookUpTimeout: 3s
maxParties: 2000
maxUsers: 3000
`

// oneShard is the file of a router with one good shard, and text after it.
func oneShard(text string) string {
	return "shards:\n  p1: {client: {endpoints: [{address: \"http://a:1\"}]}}\n" + text
}

// inShard is the file of a router with a shard that has this text too.
func inShard(text string) string {
	return "shards: {p1: {client: {endpoints: [{address: \"http://a:1\"}]}, " + text + "}}\n"
}

func TestParseShardsReadsEveryKey(t *testing.T) {
	got, err := configfile.ParseShards([]byte(everyShardsKey))
	require.NoError(t, err)
	assert.Equal(t, configfile.ShardsConfig{
		Config: shard.Config{
			Name: "parties", Default: "p1", PreferPermission: true, Order: []string{"p.2", "p1"}, SpreadReads: true,
			Refresh: time.Minute, NegativeTTL: 2 * time.Second, LookUpTimeout: 3 * time.Second, MaxParties: 2000, MaxUsers: 3000,
		},
		Shards: map[string]configfile.ShardConfig{
			"p1": {
				Client: &cantonlb.Config{
					Name: "p1", Role: cantonlb.ParticipantLedger, DeadAfter: 5 * time.Second,
					Endpoints: []cantonlb.Endpoint{{Name: "a", Address: "https://p1a:5001"}, {Address: "https://p1b:5001"}},
				},
				JSON: &jsonapi.Config{Name: "web", Role: jsonapi.JSONAPI2, Endpoints: []jsonapi.Endpoint{{Address: "https://p1a:7575"}}},
				Discovery: &cantonlb.Config{
					Name: "p1-discovery", Endpoints: []cantonlb.Endpoint{{Address: "https://p1a:5001", Token: resolver.NewSecret("hush-hush")}},
				},
				IdentityProvider: "idp1", Participant: "p1::1220", Parties: []string{"alice::1220", "bob::1220"}, Users: []string{"u1"},
			},
			"p.2": {
				JSON:        &jsonapi.Config{Name: "p.2-json", Role: jsonapi.OAuth2Middleware, Endpoints: []jsonapi.Endpoint{{Address: "http://m:80"}}},
				NoDiscovery: true, Providers: []string{"https://auth.example.com"},
			},
		},
	}, got)
}

// A field that is added to shard.Config or shard.Shard must not be forgotten here.
func TestEveryFieldOfShardsHasItsKey(t *testing.T) {
	keysOf := func(c reflect.Type, only ...string) (keys []string) {
		for i := range c.NumField() {
			if key := keyOf(c.Field(i).Name); !slices.Contains(only, key) {
				keys = append(keys, key)
			}
		}
		return keys
	}
	for text, keys := range map[string][]string{
		oneShard("no-such-key: 1\n"): append(keysOf(reflect.TypeFor[shard.Config](), "logger", "read"), "shards"),
		inShard("no-such-key: 1"):    append(keysOf(reflect.TypeFor[shard.Shard](), "credentials", "live", "noDiscovery", "json"), "json", "lookUps"),
	} {
		slices.Sort(keys)
		keys = slices.DeleteFunc(slices.Compact(keys), func(k string) bool { return k == "jSON" })
		_, err := configfile.ParseShards([]byte(text))
		require.ErrorContains(t, err, "no-such-key: want a known key: "+strings.Join(keys, ", "))
	}
	assert.Equal(t, reflect.TypeFor[shard.Shard]().NumField(), reflect.TypeFor[configfile.ShardConfig]().NumField())
}

// badShards are files of routers that are refused, and why.
var badShards = map[string]struct{ text, want string }{
	"empty":     {"", `want one YAML document: a mapping of keys to values`},
	"a list":    {"- shards\n", `line 1, column 1: [...]: want a mapping of keys to values`},
	"no shards": {"refresh: x\n", `line 1, column 1: shards: missing; want the shards by their names`},
	"of none":   {"shards: {}\n", `line 1, column 1: shards: 0 of them; want a mapping of 1 to 64 names to shards`},
	"a list of shards": {"shards: [p1]\n",
		`line 1, column 1: shards: 0 of them; want a mapping of 1 to 64 names to shards`},
	"too many": {"shards:\n" + strings.Repeat(" ", 2) + "p0: {}\n" + manyShards(65),
		`line 1, column 1: shards: 66 of them; want a mapping of 1 to 64 names to shards`},
	"no client": {"shards:\n  p1: {}\n", `line 2, column 3: shards.p1: neither client nor json is there; want at least one of them`},
	"a bad name": {"shards:\n  \"p 1\": {}\n",
		`line 2, column 3: shards."p 1": no name of a shard; want 1 to 54 letters, digits, dots, dashes and underscores`},
	"a null":       {"shards:\n  p1: null\n", `line 2, column 7: shards.p1 null: want a value; leave the key out for its default`},
	"a word":       {"shards:\n  p1: x\n", `line 2, column 7: shards.p1 "x": want a mapping of keys to values`},
	"a shard of 2": {"shards:\n  p1: {}\n  p1: {}\n", `line 3, column 3: shards.p1: want each key only once; it is also in line 2`},
	"a client": {inShard("json: {endpoints: []}"),
		`line 1, column 70: shards.p1.json.endpoints: empty list; want at least one endpoint`},
	"a weight": {"shards:\n  p1:\n    client:\n      endpoints:\n        - {address: \"http://a:1\", weight: 200}\n",
		`line 5, column 43: shards.p1.client.endpoints[0].weight 200: want a whole number from 1 to 100`},
	"an unknown key":       {oneShard("shard: 1\n"), `line 3, column 1: shard: want a known key: default, lookUpTimeout`},
	"a role":               {inShard("discovery: {role: json_api, endpoints: [{address: \"http://a:1\"}]}"), `shards.p1.discovery.role "json_api": want `},
	"no such default":      {oneShard("default: p2\n"), `line 3, column 10: default "p2": want one of "p1"`},
	"a name twice":         {inShard("discovery: {name: p1, endpoints: [{address: \"http://a:1\"}]}"), `shards.p1.discovery.name "p1": want another name for each client`},
	"a party":              {inShard("parties: [\"\"]"), `line 1, column 73: shards.p1.parties[0]: empty: want an ID`},
	"a provider of two":    {"shards:\n" + manyShards(2), `line 3, column 66: shards.s1.providers[0] "p": also on shard "s0"; want each provider on one shard`},
	"an order twice":       {oneShard("order: [p1, p1]\n"), `line 3, column 13: order[1] "p1": listed twice; want each shard once`},
	"a refresh":            {oneShard("refresh: 1ms\n"), `line 3, column 10: refresh "1ms": want at least 1s, or 0 for 5m0s`},
	"too few parties":      {oneShard("maxParties: 10\n"), `line 3, column 13: maxParties 10: want a whole number from 1000 to 100000000`},
	"a name of the router": {oneShard("name: a b\n"), `line 3, column 7: name "a b": want at most 64 letters, digits, dots, dashes and underscores`},
	"a token over plaintext": {"shards: {p1: {client: {endpoints: [{address: \"http://a:1\", token: hush-hush}]}}}\n",
		`shards.p1.client.endpoints[0].token: would be sent over plaintext; want an https:// address, or allowInsecureTokens`},
}

// manyShards returns shards of one provider.
func manyShards(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {json: {endpoints: [{address: \"http://a:1\"}]}, providers: [p]}\n", i)
	}
	return b.String()
}

func TestBadFilesOfShardsNameTheFaultAndItsPosition(t *testing.T) {
	for about, c := range badShards {
		_, err := configfile.ParseShards([]byte(c.text))
		require.ErrorContains(t, err, c.want, about)
		assert.NotContains(t, err.Error(), "hush", about)
		require.ErrorAs(t, err, new(*configfile.Error), about)
	}
	path := filepath.Join(t.TempDir(), "lb.yaml")
	_, err := configfile.LoadShards(path)
	require.ErrorContains(t, err, path+": no such file")
	require.NoError(t, os.WriteFile(path, []byte(oneShard("default: x\n")), 0o600))
	_, err = configfile.LoadShards(path)
	require.EqualError(t, err, path+`:3:10: default "x": want one of "p1"`)
	assert.Equal(t, "default", configerr.All(err)[0].Field)
	_, err = configfile.NewRouter(path)
	require.EqualError(t, err, path+`:3:10: default "x": want one of "p1"`)
}

func TestAFileOfShardsIsForARouterAlone(t *testing.T) {
	const want = `line 1, column 1: shards: is of a router of shards; want NewRouter, or the endpoints of one service`
	_, err := configfile.Parse([]byte(everyShardsKey[1:]))
	require.ErrorContains(t, err, "shards: is of a router of shards")
	_, err = configfile.Parse([]byte(oneShard("")))
	require.EqualError(t, err, want)
	_, err = configfile.ParseJSONAPI([]byte(oneShard("")))
	require.EqualError(t, err, want)
	_, err = configfile.ParseShards([]byte(one("")))
	require.EqualError(t, err, `line 1, column 1: shards: missing; want the shards by their names`)
}

// shardsOf is the file of a router whose shards, such as "p1=0+1", have these servers of a
// cluster, and a party of the same name.
func shardsOf(c *lbtest.Cluster, shards ...string) string {
	var b strings.Builder
	b.WriteString("shards:\n")
	for _, x := range shards {
		name, servers, _ := strings.Cut(x, "=")
		fmt.Fprintf(&b, "  %s:\n    lookUps: false\n    parties: [party-of-%s]\n    client:\n      role: \"\"\n      endpoints:\n", name, name)
		for server := range strings.SplitSeq(servers, "+") {
			i := int(server[0] - '0')
			fmt.Fprintf(&b, "        - {name: %s, address: %q}\n", c.Names()[i], c.Addrs()[i])
		}
	}
	return b.String()
}

// server returns which server answers a call for a party.
func server(t *testing.T, r *shard.Router, party string) (string, error) {
	t.Helper()
	return lbtest.ServedBy(shard.WithParty(testkit.Context(t), party), r)
}

// awaitFile waits until the state of the file is like that.
func awaitFile(t *testing.T, r *shard.Router, ok func(report.FileStatus) bool) report.RouterStatus {
	t.Helper()
	require.Eventually(t, func() bool { return ok(*r.Status().File) }, testkit.Patience, 5*time.Millisecond)
	return r.Status()
}

func TestTheShardsOfAFileAreFollowed(t *testing.T) {
	cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
	path := filepath.Join(t.TempDir(), "lb.yaml")
	replaceFile(t, path, shardsOf(cluster, "p1=0", "p2=1"))
	calls := 0
	r, err := configfile.NewRouterWith(path, func(*configfile.ShardsConfig) { calls++ }, cluster.DialOptions()...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	assert.Equal(t, path, r.Status().File.Path)
	answers := func(party, want string) {
		t.Helper()
		got, err := server(t, r, "party-of-"+party)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	answers("p1", "server0")
	answers("p2", "server1")

	replaceFile(t, path, shardsOf(cluster, "p2=2", "p3=3"))
	s := awaitFile(t, r, func(s report.FileStatus) bool { return s.Reloads == 1 })
	require.Len(t, s.Shards, 2)
	require.Eventually(t, func() bool {
		got, err := server(t, r, "party-of-p2")
		return err == nil && got == "server2"
	}, testkit.Patience, 5*time.Millisecond, "its endpoints have changed")
	answers("p3", "server3")
	_, err = server(t, r, "party-of-p1")
	require.ErrorContains(t, err, `party "party-of-p1": no shard hosts it`)
	require.Eventually(t, func() bool { return cluster.Server(0).Conns() == 0 }, testkit.Patience, 5*time.Millisecond, "its client is closed")

	replaceFile(t, path, shardsOf(cluster, "p2=2", "p3=3")+"default: p9\n")
	s = awaitFile(t, r, func(s report.FileStatus) bool { return s.Failures == 1 })
	assert.Contains(t, s.File.Error, `default "p9": want one of "p2", "p3"`)
	answers("p3", "server3")
	events := r.Events()
	assert.Equal(t, shard.EventConfig, events[len(events)-1].Kind)
	replaceFile(t, path, strings.Replace(shardsOf(cluster, "p2=2", "p3=3", "p4=0"), "server0, address: \"", "server0, address: \"https://", 1))
	s = awaitFile(t, r, func(s report.FileStatus) bool { return s.Failures == 2 })
	assert.Contains(t, s.File.Error, `shards.p4.client.endpoints[0].address`, "what cannot be made is refused as a whole")
	assert.Len(t, s.Shards, 2)

	replaceFile(t, path, strings.Replace(shardsOf(cluster, "p2=2", "p3=3"), "lookUps: false", "lookUps: false\n    users: [u]", 1)+
		"spreadReads: true\n")
	s = awaitFile(t, r, func(s report.FileStatus) bool { return s.Reloads == 2 })
	assert.Equal(t, []string{"spreadReads"}, s.File.Pending)
	target, err := r.ForUser(testkit.Context(t), "u")
	require.NoError(t, err)
	assert.Equal(t, "p2", target.Name)
	replaceFile(t, path, strings.ReplaceAll(shardsOf(cluster, "p2=2", "p3=3"), "role: \"\"", "role: \"\"\n      deadAfter: 9s"))
	s = awaitFile(t, r, func(s report.FileStatus) bool { return s.Reloads == 3 })
	assert.Equal(t, []string{"shards.p2.client.deadAfter", "shards.p3.client.deadAfter"}, s.File.Pending)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	assert.Equal(t, 5, calls, "for each content that is valid, and not after Close")
	_, err = server(t, r, "party-of-p3")
	assert.Equal(t, codes.Canceled, status.Code(err))
}

func TestAFileOfShardsThatIsGoodAgainIsAnEvent(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	path := filepath.Join(t.TempDir(), "lb.yaml")
	good := shardsOf(cluster, "p1=0")
	replaceFile(t, path, good)
	r, err := configfile.NewRouter(path, cluster.DialOptions()...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	for i, bad := range []string{"shards: {", good + "default: p9\n"} {
		replaceFile(t, path, bad)
		awaitFile(t, r, func(s report.FileStatus) bool { return s.Failures == uint64(i+1) })
		replaceFile(t, path, good)
		awaitFile(t, r, func(s report.FileStatus) bool { return s.Reloads == uint64(i+1) })
		events := r.Events()
		require.GreaterOrEqual(t, len(events), 2)
		assert.Equal(t, shard.EventConfig, events[len(events)-2].Kind)
		assert.Equal(t, shard.EventShards, events[len(events)-1].Kind, "what the log says has ended")
	}
	n := len(r.Events())
	replaceFile(t, path, good+"# the same\n")
	awaitFile(t, r, func(s report.FileStatus) bool { return s.Reloads == 3 })
	assert.Len(t, r.Events(), n)
}

func TestARouterThatCannotBeMadeLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lb.yaml")
	replaceFile(t, path, "shards:\n  p1: {client: {endpoints: [{address: \"a:1\"}]}}\n  p2: {client: {endpoints: [{address: \"https://a:1\"}]}}\n")
	_, err := configfile.NewRouter(path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.ErrorContains(t, err, path+`:3:39: shards.p2.client.endpoints[0].address "https://a:1": endpoint "a:1" asks for TLS`)
	_, err = configfile.NewRouterWith(path, func(c *configfile.ShardsConfig) { delete(c.Shards, "p2") },
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.ErrorContains(t, err, "shards.p2.client: removed by the function that completes the config file")
}

func TestTheSchemaKnowsTheFilesOfShards(t *testing.T) {
	s := compiled(t)
	require.NoError(t, judge(t, s, everyShardsKey))
	word := func(n int) string { return strings.Repeat("x", n) }
	for text, good := range map[string]bool{
		oneShard(""): true, "shards: {}\n": false, "shards: {p1: {}}\n": false, "shards: [p1]\n": false, oneShard("endpoints: []\n"): false,
		"shards: {" + word(54) + ": {json: {endpoints: [{address: \"http://a\"}]}}}": true,
		"shards: {" + word(55) + ": {json: {endpoints: [{address: \"http://a\"}]}}}": false,
		oneShard("name: a b\n"): false, oneShard("name: a.b\n"): true, oneShard("preferPermission: 1\n"): false, oneShard("spreadReads: true\n"): true,
		oneShard("order: [p1]\n"): true, oneShard("order: [p1, p1]\n"): false, oneShard("refresh: 1s\n"): true, oneShard("refresh: 1\n"): false,
		oneShard("negativeTTL: 1ms\n"): true, oneShard("lookUpTimeout: x\n"): false, oneShard("maxParties: 1000\n"): true, oneShard("maxParties: 999\n"): false,
		oneShard("maxUsers: 100000001\n"): false, inShard("json: {}"): false, inShard("discovery: {role: json_api, endpoints: [{address: \"http://a:1\"}]}"): false,
		inShard("discovery: {endpoints: [{address: \"http://a:1\"}]}"): true, inShard("lookUps: false"): true, inShard("lookUps: x"): false,
		inShard("parties: [a]"): true, inShard("parties: [\"\"]"): false, inShard("users: [" + word(1024) + "]"): true, inShard("users: [" + word(1025) + "]"): false,
		inShard("providers: a"): false, inShard("participant: p::1"): true, inShard("identityProvider: 1"): false, inShard("noDiscovery: true"): false,
		inShard("json: {role: json_api, resubmission: false, endpoints: [{address: \"http://a\"}]}"): true,
	} {
		_, err := configfile.ParseShards([]byte(text))
		assert.Equal(t, good, err == nil, "the loader: %.80s: %v", text, err)
		err = judge(t, s, text)
		assert.Equal(t, good, err == nil, "the schema: %.80s: %v", text, err)
	}
	raw, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var root schema
	require.NoError(t, json.Unmarshal(raw, &root))
	for text, of := range map[string]string{oneShard("no-such-key: 1\n"): "router", inShard("no-such-key: 1"): "shard"} {
		_, err := configfile.ParseShards([]byte(text))
		require.ErrorContains(t, err, "a known key: "+strings.Join(slices.Sorted(maps.Keys(root.Defs[of].Properties)), ", "))
	}
}

func TestTheExampleOfShardsInTheDocumentationIsRead(t *testing.T) {
	example := documented(t, "## Shards")
	got, err := configfile.ParseShards([]byte(example))
	require.NoError(t, err)
	assert.Len(t, got.Shards, 2)
	require.NoError(t, judge(t, compiled(t), example))
}

func FuzzParseShards(f *testing.F) {
	for _, c := range badShards {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(everyShardsKey))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := configfile.ParseShards(data)
		if err != nil {
			require.Empty(t, cfg.Shards)
			require.ErrorAs(t, err, new(*configfile.Error))
			require.Less(t, len(err.Error()), 100_000)
			return
		}
		require.NotEmpty(t, cfg.Shards)
		for name, s := range cfg.Shards {
			require.True(t, s.Client != nil || s.JSON != nil, name)
			for _, c := range []*cantonlb.Config{s.Client, s.Discovery} {
				if c != nil {
					require.NoError(t, c.Check(), "what the loader takes is valid")
				}
			}
			if s.JSON != nil {
				require.NoError(t, s.JSON.Check(), "what the loader takes is valid")
			}
		}
	})
}
