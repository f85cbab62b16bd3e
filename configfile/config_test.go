package configfile_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/resolver"
)

const everyKey = `
name: orders
role: sequencer
endpoints:
  - name: seq1
    address: https://seq1.example.com:5001
    serverName: seq1.internal
    weight: 3
    zone: eu
  - address: seq2.example.com:5001
    tls: {rootCAFile: /etc/lb/ca.pem, certFile: /etc/lb/cert.pem, keyFile: /etc/lb/key.pem}
    tokenFile: /run/secrets/seq2
    health:
      grpcAddress: "https://{host}:10003"
      service: sequencer
      serverName: seq2.health
      sendToken: true
      tls: {rootCAFile: /etc/lb/health-ca.pem}
  - {address: "http://seq3:5001", token: not-so-secret, allowInsecureTokens: true, health: {http: "http://{host}/health", expectedStatus: 204}}
  - {address: "http://seq4:5001", health: {sameConnection: true}}
  - {address: "http://seq5:5001", health: {tcp: "{host}:7000"}}
healthCheck:
  service: orders
  interval: 2s
  timeout: 0.5s
  fall: 3
  rise: 4
  jitter: 0
  watch: false
  grpcPort: 10003
ejection: {consecutiveFailures: 7, baseTime: 2s, maxTime: 1m30s}
noneEligible: wait
handover: immediate
streamDrain: 30s
deadAfter: 5s
zone: eu
spillBelow: 0.25
policy: healthy_least_loaded
slowStart: 20s
hedge: {delay: 15ms}
reresolveInterval: 30s
idempotent: [/pkg.Service/Get, "/pkg.Other/*"]
maxAttempts: 5
retryBudget: {share: 0, perSecond: 2.5}
serviceConfig:
  methodConfig:
    - name: [{}]
      timeout: 3s
`

func TestParseReadsEveryKey(t *testing.T) {
	got, err := configfile.Parse([]byte(everyKey))
	require.NoError(t, err)
	health, err := healthcheck.Config{
		Service: "orders", Interval: 2 * time.Second, Timeout: time.Second / 2, Fall: 3, Rise: 4,
		Jitter: healthcheck.NoJitter, NoWatch: true, GRPCPort: 10003,
	}.WithDefaults()
	require.NoError(t, err)
	assert.Equal(t, cantonlb.Config{
		Name: "orders",
		Role: cantonlb.Sequencer,
		Endpoints: []cantonlb.Endpoint{
			{Name: "seq1", Address: "https://seq1.example.com:5001", ServerName: "seq1.internal", Weight: 3, Zone: "eu"},
			{
				Address: "seq2.example.com:5001", TokenFile: "/run/secrets/seq2",
				TLS: cantonlb.TLS{RootCAFile: "/etc/lb/ca.pem", CertFile: "/etc/lb/cert.pem", KeyFile: "/etc/lb/key.pem"},
				Health: cantonlb.HealthTarget{
					GRPCAddress: "https://{host}:10003", Service: "sequencer", ServerName: "seq2.health", SendToken: true,
					TLS: cantonlb.TLS{RootCAFile: "/etc/lb/health-ca.pem"},
				},
			},
			{
				Address: "http://seq3:5001", Token: resolver.NewSecret("not-so-secret"), AllowInsecureTokens: true,
				Health: cantonlb.HealthTarget{HTTP: "http://{host}/health", ExpectedStatus: 204},
			},
			{Address: "http://seq4:5001", Health: cantonlb.HealthTarget{SameConnection: true}},
			{Address: "http://seq5:5001", Health: cantonlb.HealthTarget{TCP: "{host}:7000"}},
		},
		HealthCheck:       health,
		Ejection:          cantonlb.Ejection{ConsecutiveFailures: 7, BaseTime: 2 * time.Second, MaxTime: 90 * time.Second},
		NoneEligible:      cantonlb.Wait,
		Handover:          cantonlb.HandoverImmediate,
		StreamDrain:       30 * time.Second,
		DeadAfter:         5 * time.Second,
		Zone:              "eu",
		SpillBelow:        0.25,
		Policy:            cantonlb.HealthyLeastLoaded,
		SlowStart:         20 * time.Second,
		ReresolveInterval: 30 * time.Second,
		Idempotent:        []string{"/pkg.Service/Get", "/pkg.Other/*"},
		MaxAttempts:       5,
		RetryBudget:       cantonlb.RetryBudget{Share: -1, PerSecond: 2.5},
		Hedge:             &cantonlb.Hedge{Delay: 15 * time.Millisecond},
		ServiceConfig:     `{"methodConfig":[{"name":[{}],"timeout":"3s"}]}`,
	}, got)
}

func TestParseReadsHedgesAndTheAttemptTimeout(t *testing.T) {
	const list = "endpoints: [{address: \"http://a:1\"}]\n"
	got, err := configfile.Parse([]byte(list + "hedge: {}\n"))
	require.NoError(t, err)
	assert.Equal(t, &cantonlb.Hedge{}, got.Hedge)
	got, err = configfile.Parse([]byte(list + "attemptTimeout: 2s\n"))
	require.NoError(t, err)
	assert.Equal(t, 2*time.Second, got.AttemptTimeout)
	assert.Nil(t, got.Hedge)
	_, err = configfile.Parse([]byte(list + "hedge: {}\nattemptTimeout: 2s\n"))
	require.ErrorContains(t, err, `attemptTimeout "2s": want none, since hedge is set, or no hedge`)
}

func TestParseReadsTheSettingsOfActivePassive(t *testing.T) {
	got, err := configfile.Parse([]byte(`
policy: active_passive
endpoints:
  - {address: "http://a:1", priority: 1}
  - {address: "http://b:1"}
failover: {failBack: afterHold, holdDown: 1m, drain: 0.5s}
`))
	require.NoError(t, err)
	assert.Equal(t, cantonlb.Config{
		Policy:    cantonlb.ActivePassive,
		Endpoints: []cantonlb.Endpoint{{Address: "http://a:1", Priority: 1}, {Address: "http://b:1"}},
		Failover:  cantonlb.Failover{FailBack: cantonlb.FailBackAfterHold, HoldDown: time.Minute, Drain: time.Second / 2},
	}, got)
}

// onlyInGo are the fields that a config file has no keys for, since they hold code
// or credentials.
var onlyInGo = []string{"transportCredentials", "dns", "idempotentFunc", "logger", "onAttempt", "onAttemptInline", "validate", "credentials"}

// keyOf returns a field's name in camel case: GRPCPort is grpcPort, and TLS is tls.
func keyOf(field string) string {
	upper := len(field) - len(strings.TrimLeft(field, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
	if upper > 1 && upper < len(field) {
		upper-- // the last one begins the next word
	}
	return strings.ToLower(field[:upper]) + field[upper:]
}

// A field that is added to the struct must not be forgotten here.
func TestEveryFieldHasItsKey(t *testing.T) {
	keysOf := func(v any) []string {
		var keys []string
		for i := range reflect.TypeOf(v).NumField() {
			f := reflect.TypeOf(v).Field(i)
			key := keyOf(f.Name)
			if f.IsExported() && !slices.Contains(onlyInGo, key) {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		return keys
	}
	assert.Equal(t, keysOf(cantonlb.Config{}), knownKeys(t, one("%s\n")))
	assert.Equal(t, keysOf(cantonlb.Endpoint{}), knownKeys(t, "endpoints: [{address: http://a:1, %s}]"))
	assert.Equal(t, keysOf(cantonlb.TLS{}), knownKeys(t, "endpoints: [{address: a:1, tls: {%s}}]"))
	assert.Equal(t, keysOf(cantonlb.HealthTarget{}), knownKeys(t, "endpoints: [{address: http://a:1, health: {%s}}]"))
	assert.Equal(t, keysOf(cantonlb.Failover{}), knownKeys(t, one("failover: {%s}\n")))
	assert.Equal(t, keysOf(cantonlb.Ejection{}), knownKeys(t, one("ejection: {%s}\n")))
	assert.Equal(t, keysOf(cantonlb.RetryBudget{}), knownKeys(t, one("retryBudget: {%s}\n")))
}

func TestJSONIsAConfigFileToo(t *testing.T) {
	got, err := configfile.Parse([]byte("{\n\t\"endpoints\": [\n\t\t{\"address\": \"http:\\/\\/a:1\", \"weight\": 2}\n\t],\n\t\"healthCheck\": {\"watch\": false}\n}"))
	require.NoError(t, err)
	assert.Equal(t, []cantonlb.Endpoint{{Address: "http://a:1", Weight: 2}}, got.Endpoints)
	assert.True(t, got.HealthCheck.NoWatch)
}

func TestWhatAFileLeavesOutHasItsDefault(t *testing.T) {
	got, err := configfile.Parse([]byte(one("")))
	require.NoError(t, err)
	assert.Equal(t, cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "http://a:1"}}}, got)
}

func TestNoOtherKeyTakesEnvironmentVariables(t *testing.T) {
	t.Setenv("CANTONLB_TEST_ZONE", "eu")
	got, err := configfile.Parse([]byte(one("zone: ${CANTONLB_TEST_ZONE}\n")))
	require.NoError(t, err)
	assert.Equal(t, "${CANTONLB_TEST_ZONE}", got.Zone)
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lb.yaml")
	_, err := configfile.Load(path)
	require.EqualError(t, err, path+": no such file or directory")
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(path, []byte(one("zone: 1\n")), 0o600))
	_, err = configfile.Load(path)
	require.EqualError(t, err, path+":3:7: zone 1: want a string of at most 64 bytes of valid Unicode")
	var e *configfile.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, configfile.Error{File: path, Line: 3, Column: 7, Err: e.Err}, *e)
	var field *configerr.Error
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "zone", field.Field)

	_, err = configfile.Load(filepath.Dir(path))
	require.EqualError(t, err, filepath.Dir(path)+": not a regular file")

	require.NoError(t, os.WriteFile(path, []byte(one("zone: eu\n")), 0o600))
	got, err := configfile.Load(path)
	require.NoError(t, err)
	assert.Equal(t, "eu", got.Zone)
}

func TestTheExampleInTheDocumentationIsRead(t *testing.T) {
	text, err := os.ReadFile("../docs/config.md")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, rest, _ := strings.Cut(rest, "```")
	got, err := configfile.Parse([]byte(example))
	require.NoError(t, err)
	assert.Len(t, got.Endpoints, 3)

	t.Setenv("CONFIG_DIR", "/etc/lb")
	t.Setenv("ORG1_TOKEN", "hush-hush")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	second, _, _ := strings.Cut(rest, "```")
	got, err = configfile.Parse([]byte(second))
	require.NoError(t, err)
	assert.Equal(t, "/etc/lb/org1-ca.pem", got.Endpoints[0].TLS.RootCAFile)
	assert.Equal(t, resolver.NewSecret("hush-hush"), got.Endpoints[0].Token)
	bad := strings.Replace(example, "weight: 2", "weight: 200", 1)
	_, err = configfile.Parse([]byte(bad))
	require.Error(t, err)
	shown := strings.Replace(err.Error(), "line 3, column ", "lb.yaml:3:", 1)
	assert.Contains(t, string(text), shown, "the error that it shows")
}

// The largest list there may be fits into a file of the largest size.
func TestAFileMayHoldTheLongestList(t *testing.T) {
	var list []map[string]any
	for i := range 10_000 {
		list = append(list, map[string]any{"address": fmt.Sprintf("http://sequencer-%d.example.com:5001", i)})
	}
	text, err := json.Marshal(map[string]any{"endpoints": list})
	require.NoError(t, err)
	got, err := configfile.Parse(text)
	require.NoError(t, err)
	assert.Len(t, got.Endpoints, 10_000)
}
