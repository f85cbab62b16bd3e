package configfile_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/cantonlb/cantonlb/configfile"
)

const schemaFile = "../docs/config.schema.json"

// schema is what the tests need of a JSON Schema.
type schema struct {
	Ref        string             `json:"$ref"`
	Defs       map[string]*schema `json:"$defs"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(schemaFile)
	require.NoError(t, err, "the schema is one")
	return s
}

// judge returns the result of the schema for a file.
func judge(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var value any
	if err := yaml.Load([]byte(text), &value); err != nil {
		return err
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		return err
	}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	require.NoError(t, err)
	return s.Validate(parsed)
}

// knownKeys asks the loader which keys it knows at a position, which is that of the %s
// in text.
func knownKeys(t *testing.T, text string) []string {
	t.Helper()
	_, err := configfile.Parse([]byte(fmt.Sprintf(text, "no-such-key: 1")))
	require.ErrorContains(t, err, "no-such-key: want a known key: ")
	line, _, _ := strings.Cut(err.Error(), "\n")
	_, keys, _ := strings.Cut(line, "a known key: ")
	return strings.Split(keys, ", ")
}

func TestTheSchemaAndTheLoaderKnowTheSameKeys(t *testing.T) {
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var root schema
	require.NoError(t, json.Unmarshal(text, &root))
	keysOf := func(s *schema) []string {
		if s.Ref != "" {
			s = root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
		}
		return slices.Sorted(maps.Keys(s.Properties))
	}
	p := root.Defs["grpc"].Properties
	for place, s := range map[string]*schema{
		one("%s\n"):                                        root.Defs["grpc"],
		"endpoints: [{address: http://a:1, %s}]":           p["endpoints"].Items,
		"endpoints: [{address: http://a:1, health: {%s}}]": root.Defs["health"],
		"endpoints: [{address: a:1, tls: {%s}}]":           root.Defs["tls"],
		one("healthCheck: {%s}\n"):                         p["healthCheck"],
		one("failover: {%s}\n"):                            p["failover"],
		one("ejection: {%s}\n"):                            p["ejection"],
		one("retryBudget: {%s}\n"):                         p["retryBudget"],
	} {
		assert.Equal(t, knownKeys(t, place), keysOf(s), place)
	}
	_, err = configfile.ParseJSONAPI([]byte(oneHTTP("no-such-key: 1\n")))
	require.ErrorContains(t, err, "a known key: "+strings.Join(keysOf(root.Defs["http"]), ", "))
	assert.Equal(t, keysOf(root.Defs["endpoint"]), keysOf(root.Defs["httpEndpoint"]))
	// serviceConfig is defined by grpc, except for the keys that this library sets.
	assert.Subset(t, knownKeys(t, one("serviceConfig: {%s}\n")), keysOf(p["serviceConfig"]))
}

func TestTheSchemaTakesWhatTheLoaderTakes(t *testing.T) {
	s := compiled(t)
	require.NoError(t, judge(t, s, everyKey))
	require.NoError(t, judge(t, s, one("")))
	require.NoError(t, judge(t, s, documented(t, "# Config files")))
}

// documented returns the first example of docs/config.md after a heading.
func documented(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/config.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), heading)
	require.True(t, found)
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	return example
}

// At the bounds of every key the schema and the loader agree.
func TestTheSchemaHasTheLoadersBounds(t *testing.T) {
	s := compiled(t)
	word := func(n int) string { return strings.Repeat("x", n) }
	endpoint := func(text string) string { return "endpoints: [{address: http://a:1, " + text + "}]" }
	for text, good := range map[string]bool{
		"endpoints: []": false, "role: sequencer": false, endpoint("weight: 1"): true, endpoint("weight: 100"): true,
		endpoint("weight: 0"): false, endpoint("weight: 101"): false, endpoint("weight: 1.5"): false,
		endpoint("name: " + word(256)): true, endpoint("name: " + word(257)): false, endpoint("name: 1"): false,
		endpoint("zone: " + word(64)): true, endpoint("zone: " + word(65)): false,
		endpoint("serverName: 1"): false, "endpoints: [{name: a}]": false, "endpoints: [x]": false, "endpoints: {}": false,
		one("name: a.B_1-"): true, one("name: a b"): false, one("name: " + word(64)): true, one("name: " + word(65)): false,
		one("role: mediator\nhealthCheck: {grpcPort: 1}"): true, one("role: king"): false, one("role: \"\""): true,
		endpoint("token: x, allowInsecureTokens: true"): true, endpoint("token: 1"): false, endpoint("tokenFile: 1"): false,
		"endpoints: [{address: a:1, tls: {certFile: c, keyFile: k}}]": true, "endpoints: [{address: a:1, tls: {certFile: 1}}]": false,
		endpoint("health: {grpcPort: 65535}"): true, endpoint("health: {grpcPort: 65536}"): false, endpoint("health: {grpcPort: 0}"): false,
		endpoint("health: {http: \"http://{host}/\", expectedStatus: 599}"):    true,
		endpoint("health: {http: \"http://{host}/\", expectedStatus: 600}"):    false,
		endpoint("health: {sameConnection: true, service: " + word(512) + "}"): true,
		endpoint("health: {sameConnection: true, service: " + word(513) + "}"): false,
		endpoint("health: {grpcPort: 1, sendToken: x}"):                        false, endpoint("health: {tcp: 1}"): false,
		endpoint("health: {http: \"http://{host}/\", expectedStatus: 200}"): true,
		endpoint("health: {http: \"http://{host}/\", expectedStatus: 199}"): false,
		endpoint("token: \"\", allowInsecureTokens: true"):                  false, endpoint("tokenFile: \"\", allowInsecureTokens: true"): false,
		"endpoints: [{address: a:1, tls: {rootCAFile: \"\"}}]": false, "endpoints: [{address: a:1, tls: {rootCAPEM: \"\"}}]": false,
		endpoint("priority: 0"): true, endpoint("priority: 1000"): true, endpoint("priority: -1"): false, endpoint("priority: 1001"): false,
		one("policy: active_passive\nfailover: {failBack: afterHold, holdDown: 1m, drain: 0.5s}"): true, one("policy: round_robin"): false,
		one("policy: active_passive\nfailover: {failBack: x}"): false, one("policy: active_passive\nfailover: {holdDown: 1}"): false,
		one("policy: active_passive\nfailover: {drain: 1}"): false,
		one("noneEligible: failOpen"):                       true, one("noneEligible: no"): false,
		one("deadAfter: 1m30s"): true, one("deadAfter: .5s"): true, one("deadAfter: 3"): false, one("deadAfter: 3 s"): false,
		one("deadAfter: 1us"): false, one("deadAfter: 1ms"): true, one("deadAfter: s"): false, one("deadAfter: -1s"): false, one("deadAfter: +1.s"): true,
		one("zone: " + word(64)): true, one("zone: " + word(65)): false,
		one("spillBelow: 0"): false, one("spillBelow: 0.001"): true, one("spillBelow: 1"): true, one("spillBelow: 1.1"): false,
		one("reresolveInterval: 1s"): true, one("reresolveInterval: x"): false,
		one("idempotent: [/a/b]"): true, one("idempotent: [/a/*]"): true, one("idempotent: [a/b]"): false, one("idempotent: [/a]"): false,
		one("idempotent: [/a/b/c]"): false, one("idempotent: x"): false,
		one("maxAttempts: 1"): true, one("maxAttempts: 100"): true, one("maxAttempts: 0"): false, one("maxAttempts: 101"): false,
		one("retryBudget: {share: 0, perSecond: 0}"): true, one("retryBudget: {share: 1, perSecond: 1000000}"): true,
		one("retryBudget: {share: 1.1}"): false, one("retryBudget: {perSecond: 1000001}"): false, one("retryBudget: {share: -1}"): false,
		one("ejection: {consecutiveFailures: 1}"): true, one("ejection: {consecutiveFailures: 1000000}"): true,
		one("ejection: {consecutiveFailures: 0}"): false, one("ejection: {consecutiveFailures: 1000001}"): false,
		one("ejection: {baseTime: 1s, maxTime: 2s}"): true, one("ejection: {maxTime: 0.1}"): false,
		one("healthCheck: {service: " + word(512) + "}"): true, one("healthCheck: {service: " + word(513) + "}"): false,
		one("healthCheck: {timeout: auto}"): true, one("healthCheck: {timeout: 1s}"): true, one("healthCheck: {timeout: soon}"): false,
		one("healthCheck: {interval: 2s, suspectInterval: 2s, silence: 1s}"): true, one("healthCheck: {interval: 2}"): false,
		one("healthCheck: {fall: 1, rise: 1000}"): true, one("healthCheck: {fall: 0}"): false, one("healthCheck: {rise: 1001}"): false,
		one("healthCheck: {jitter: 0}"): true, one("healthCheck: {jitter: 0.99}"): true, one("healthCheck: {jitter: 1}"): false,
		one("healthCheck: {watch: true, disabled: false}"): true, one("healthCheck: {watch: 1}"): false, one("healthCheck: {disabled: x}"): false,
		one("healthCheck: {onUnimplemented: unhealthy}"): true, one("healthCheck: {onUnimplemented: x}"): false,
		one("healthCheck: {http: \"http://{host}/\"}"): true, one("healthCheck: {http: 1}"): false,
		one("healthCheck: {grpcPort: 0}"): true, one("healthCheck: {grpcPort: 65535}"): true, one("healthCheck: {grpcPort: 65536}"): false,
		one("policy: healthy_least_loaded\nslowStart: 5s"): true, one("policy: healthy_least_loaded\nslowStart: 5"): false,
		one("hedge: {}"): true, one("hedge: {delay: 20ms}"): true, one("hedge: {delay: 5}"): false, one("hedge: {after: 1s}"): false,
		one("hedge: true"): false, one("attemptTimeout: 1s"): true, one("attemptTimeout: 1"): false,
		one("serviceConfig: {retryThrottling: {maxTokens: 10, tokenRatio: 0.1}}"): true, one("serviceConfig: []"): false,
		one("serviceConfig: {loadBalancingConfig: []}"): false,
	} {
		_, err := configfile.Parse([]byte(text))
		assert.Equal(t, good, err == nil, "the loader: %.80s: %v", text, err)
		err = judge(t, s, text)
		assert.Equal(t, good, err == nil, "the schema: %.80s: %v", text, err)
	}
}
