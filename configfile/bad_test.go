package configfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/configfile"
)

// one is a file with one good endpoint, and text after it.
func one(text string) string { return "endpoints:\n  - address: http://a:1\n" + text }

// badConfigs are files that are refused, and why.
var badConfigs = map[string]struct{ text, want string }{
	// Not a document.
	"empty": {"",
		`want one YAML document: a mapping of keys to values`},
	"only a comment": {"# nothing\n",
		`want one YAML document: a mapping of keys to values`},
	"a list": {"- a:1\n",
		`line 1, column 1: [...]: want a mapping of keys to values`},
	"a word": {"seq1\n",
		`line 1, column 1: "seq1": want a mapping of keys to values`},
	"two documents": {one("---\nrole: sequencer\n"),
		`want one YAML document: a mapping of keys to values`},
	"not YAML": {"endpoints:\n  - {address: http://a:1\nrole: x\n",
		`line 3, column 5: not YAML: while parsing a flow mapping, did not find expected ',' or '}'`},
	"a tab": {"endpoints:\n\t- address: http://a:1\n",
		`line 2, column 1: not YAML: while scanning for the next token, found character that cannot start any token`},
	"not UTF-8": {one("zone: \"\xff\"\n"),
		`line 3, column 8: a character that is not text: want UTF-8 without control characters`},
	"a control character": {one("zone: \"a\x07\"\n"),
		`line 3, column 9: a character that is not text: want UTF-8 without control characters`},
	"too large": {one("# " + strings.Repeat("x", 1<<20)),
		`1048613 bytes: want at most 1048576`},
	"too deep": {one("serviceConfig: " + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "\n"),
		`line 3, column 31: serviceConfig[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: want at most 16 levels`},
	"much too deep": {"endpoints: " + strings.Repeat("[", 100_000),
		`line 1, column 76: not YAML: while increasing flow level, exceeded max depth of 64`},
	// Outside of the subset of YAML that is read.
	"an anchor": {"endpoints: &all\n  - address: http://a:1\n",
		`line 1, column 12: endpoints: want the value itself: anchors (&) and aliases (*) are not used here`},
	"an alias": {one("zone: *all\n"),
		`line 3, column 7: not YAML: an alias (*) of an anchor (&) that does not exist`},
	"a merge key": {"endpoints:\n  - <<: {name: a}\n    address: http://a:1\n",
		`line 2, column 5: endpoints[0]: want a key of plain text`},
	"a tag": {one("maxAttempts: !!int \"3\"\n"),
		`line 3, column 14: maxAttempts: want the value alone: tags (!) are not used here`},
	"a key of no text": {one("1: 2\n"),
		`line 3, column 1: want a key of plain text`},
	// Keys.
	"an unknown key": {one("role: sequencer\nendpoint: []\n"),
		`line 4, column 1: endpoint: want a known key: attemptTimeout, deadAfter, ejection, endpoints, failover, handover, healthCheck, hedge, idempotent, maxAttempts, name, noneEligible, policy, reresolveInterval, retryBudget, role, serviceConfig, slowStart, spillBelow, streamDrain, zone`},
	"a key twice": {one("zone: eu\nzone: us\n"),
		`line 4, column 1: zone: want each key only once; it is also in line 3`},
	"a token over plaintext": {"endpoints:\n  - {address: http://a:1, token: hush-hush}\n",
		`line 2, column 27: endpoints[0].token: would be sent over plaintext; want an https:// address, or allowInsecureTokens`},
	"a variable that is not set": {"endpoints:\n  - {address: a:1, token: \"${LB_TOKEN_THAT_IS_NOT_SET}\"}\n",
		`line 2, column 20: endpoints[0].token: want the environment variable LB_TOKEN_THAT_IS_NOT_SET to be set`},
	"a token that is none": {"endpoints:\n  - {address: https://a:1, token: \"Bearer hush\"}\n",
		`line 2, column 28: endpoints[0].token: has a space; want the token alone, in printable ASCII, without "Bearer" before it`},
	"a token of numbers": {"endpoints:\n  - {address: https://a:1, token: 12345}\n",
		`line 2, column 28: endpoints[0].token: want a string of 1 to 16384 bytes of valid Unicode`},
	"an empty token": {"endpoints:\n  - {address: https://a:1, token: \"\"}\n",
		`line 2, column 28: endpoints[0].token: want a string of 1 to 16384 bytes of valid Unicode`},
	"a token twice": {"endpoints:\n  - {address: https://a:1, token: hush-hush, token: hush-hush}\n",
		`line 2, column 46: endpoints[0].token: want each key only once; it is also in line 2`},
	"a key in place of the PEM": {"endpoints:\n  - address: https://a:1\n    tls: {rootCAPEM: hush-hush}\n",
		`line 3, column 11: endpoints[0].tls.rootCAPEM: no certificate in it; want one or more whole blocks of BEGIN CERTIFICATE`},
	"an empty path of authorities": {"endpoints:\n  - address: https://a:1\n    tls: {rootCAFile: \"\"}\n",
		`line 3, column 11: endpoints[0].tls.rootCAFile: want a string of 1 to 4096 bytes of valid Unicode`},
	"a health page with a password": {"endpoints:\n  - {address: https://a:1, health: {http: \"http://joe:hush@a/\"}}\n",
		`line 2, column 43: endpoints[0].health.http [hidden]: has user information; want a URL such as "http://{host}:10004/health", without user name or password`},
	"a token and a file of one": {"endpoints:\n  - {address: https://a:1, token: hush-hush, tokenFile: /t}\n",
		`line 2, column 46: endpoints[0].tokenFile: token is set too; want one of token, tokenFile and credentials`},
	"two health targets": {"endpoints:\n  - {address: a:1, health: {grpcPort: 1, tcp: \"b:2\"}}\n",
		`line 2, column 42: endpoints[0].health.tcp: grpcPort is set too; want one of sameConnection, grpcPort, grpcAddress, http and tcp`},
	"a certificate without its key": {"endpoints:\n  - address: a:1\n    tls: {certFile: c.pem}\n",
		`line 3, column 5: endpoints[0].tls.keyFile: missing; want the key of certFile`},
	"TLS settings of a plaintext address": {"endpoints:\n  - {address: http://a:1, tls: {rootCAFile: c.pem}}\n",
		`line 2, column 27: endpoints[0].tls: the address is http://; want an https:// address, or no TLS settings`},
	"an unknown key of an endpoint": {"endpoints:\n  - address: http://a:1\n    addr: http://b:1\n",
		`line 3, column 5: endpoints[0].addr: want a known key: address, allowInsecureTokens, health, name, priority, serverName, tls, token, tokenFile, weight, zone`},
	"an unknown key of healthCheck": {one("healthCheck: {intervall: 1s}\n"),
		`line 3, column 15: healthCheck.intervall: want a known key: disabled, fall, grpcPort, http, interval, jitter, onUnimplemented, rise, service, silence, suspectInterval, timeout, watch`},
	"null": {one("healthCheck:\n"),
		`line 3, column 13: healthCheck null: want a value; leave the key out for its default`},
	// Endpoints.
	"no endpoints": {"role: sequencer\n",
		`line 1, column 1: endpoints: empty list; want at least one endpoint`},
	"an empty list": {"role: sequencer\nendpoints: []\n",
		`line 2, column 1: endpoints: empty list; want at least one endpoint`},
	"a null endpoint": {"endpoints:\n  - address: http://a:1\n  -\n",
		`line 3, column 4: endpoints[1] null: want a value`},
	"an endpoint of text": {"endpoints: [\"http://a:1\"]\n",
		`line 1, column 13: endpoints[0]: want a mapping of keys to values`},
	"no address": {"endpoints:\n  - name: a\n",
		`line 2, column 5: endpoints[0].address: empty; want host:port`},
	"no port": {"endpoints:\n  - address: a\n",
		`line 2, column 14: endpoints[0].address "a": missing port; want host:port`},
	"a number for an address": {"endpoints:\n  - address: 1\n",
		`line 2, column 5: endpoints[0].address: want host:port, or a URL such as "https://host:port"`},
	"a password": {"endpoints:\n  - address: https://joe:hush@a:1\n",
		`line 2, column 14: endpoints[0].address [hidden]: has user information (the part before an @); want host:port`},
	"a name twice": {"endpoints:\n  - {name: a, address: http://a:1}\n  - {name: a, address: http://b:1}\n",
		`line 3, column 12: endpoints[1].name "a": also the name of endpoints[0], at "a:1"; want each name once`},
	"an address twice": {"endpoints:\n  - {name: a, address: http://a:1}\n  - {name: b, address: http://a:1}\n",
		`line 3, column 24: endpoints[1].address "http://a:1": the same address and server name as endpoints[0], named "a"; want each address once`},
	"a weight that is too high": {"endpoints:\n  - {address: http://a:1, weight: 101}\n",
		`line 2, column 35: endpoints[0].weight 101: want a whole number from 1 to 100`},
	"a weight of another base": {"endpoints:\n  - {address: http://a:1, weight: 0x10}\n",
		`line 2, column 35: endpoints[0].weight "0x10": want a whole number from 1 to 100`},
	"a weight in quotes": {"endpoints:\n  - {address: http://a:1, weight: \"2\"}\n",
		`line 2, column 35: endpoints[0].weight "2": want a whole number from 1 to 100`},
	"two bad endpoints": {"endpoints:\n  - {address: a}\n  - {address: b}\n",
		"line 2, column 15: endpoints[0].address \"a\": missing port; want host:port\n" +
			"line 3, column 15: endpoints[1].address \"b\": missing port; want host:port"},
	// Values.
	"a name with a space": {one("name: my client\n"),
		`line 3, column 7: name "my client": want at most 64 letters, digits, dots, dashes and underscores`},
	"an unknown role": {one("role: king\n"),
		`line 3, column 7: role "king": want "" or "domain_manager" or "mediator" or "participant_admin" or "participant_ledger" or "sequencer"`},
	"a role without its health port": {one("role: mediator\n"),
		`line 1, column 1: healthCheck.grpcPort 0: want the port of monitoring.grpc-health-server in grpcPort, or the URL of monitoring.http-health-server in http, such as "http://{host}:8080/health", in healthCheck or in the health target of each endpoint, since role "mediator" serves its health on a separate port`},
	"a duration without a unit": {one("deadAfter: 3\n"),
		`line 3, column 12: deadAfter 3: want a duration above zero, such as "1s"`},
	"a negative duration": {one("healthCheck: {interval: -1s}\n"),
		`line 3, column 25: healthCheck.interval "-1s": want a duration above zero, such as "1s"`},
	"a timeout above the interval": {one("healthCheck:\n  interval: 1s\n  timeout: 2s\n"),
		`line 5, column 12: healthCheck.timeout "2s": want "auto" or a duration up to the interval of 1s`},
	"yes for true": {one("healthCheck: {watch: yes}\n"),
		`line 3, column 22: healthCheck.watch "yes": want true or false`},
	"a port out of range": {one("healthCheck: {grpcPort: 65536}\n"),
		`line 3, column 25: healthCheck.grpcPort 65536: want a whole number from 0 to 65535`},
	"a URL with a password": {one("healthCheck: {http: \"http://joe:hush@a/\"}\n"),
		`line 3, column 21: healthCheck.http "http://...@a/": want a URL of at most 2048 bytes, such as "http://{host}:8080/health", without user name or password`},
	"a base above the maximum": {one("ejection: {baseTime: 2m, maxTime: 1m}\n"),
		`line 3, column 22: ejection.baseTime "2m0s": want a duration not above maxTime "1m0s"`},
	"failover without its policy": {one("role: sequencer\nfailover: {failBack: afterHold}\n"),
		`line 4, column 1: failover: set, but the policy healthy_round_robin does not use it; want the policy active_passive`},
	"a zone that nobody heeds": {one("policy: active_passive\nzone: eu\n"),
		`line 4, column 1: zone: set, but the policy active_passive does not use it; want the policy healthy_round_robin`},
	"an unknown policy": {one("noneEligible: panic\n"),
		`line 3, column 15: noneEligible "panic": want "failFast" or "wait" or "failOpen"`},
	"a share above one": {one("retryBudget: {share: 1.5}\n"),
		`line 3, column 22: retryBudget.share 1.5: want a number from 0 to 1`},
	"not a number": {one("spillBelow: .nan\n"),
		`line 3, column 13: spillBelow ".nan": want a number above 0 and at most 1`},
	"a zone with a space": {one("zone: \" eu\"\n"),
		`line 3, column 7: zone " eu": want printable text of at most 64 bytes with no space at its ends`},
	"a method without its service": {one("idempotent: [Get]\n"),
		`line 3, column 14: idempotent[0] "Get": want a full method name, such as "/pkg.Service/Method" or "/pkg.Service/*"`},
	"an interval that is too short": {one("reresolveInterval: 10ms\n"),
		`line 3, column 20: reresolveInterval "10ms": want a duration from 1s to 24h0m0s; none for never`},
	"load balancing in serviceConfig": {one("serviceConfig:\n  loadBalancingConfig: []\n"),
		`line 4, column 3: serviceConfig.loadBalancingConfig: want no load balancing: it is set by the other fields of Config`},
	"a serviceConfig that is text": {one("serviceConfig: \"{}\"\n"),
		`line 3, column 1: serviceConfig: want a mapping of keys to values`},
	"a serviceConfig that grpc refuses": {one("serviceConfig:\n  methodConfig: [{name: 7}]\n"),
		`line 3, column 1: serviceConfig: grpc: the provided default service config is invalid: json: cannot unmarshal number into Go struct field jsonMC.MethodConfig.Name of type []grpc.jsonName; want a service config that grpc accepts`},
}

func TestABadConfigFileIsAnErrorThatSaysWhereAndWhatWouldBeRight(t *testing.T) {
	require.GreaterOrEqual(t, len(badConfigs), 40)
	for name, c := range badConfigs {
		t.Run(name, func(t *testing.T) {
			cfg, err := configfile.Parse([]byte(c.text))
			require.Error(t, err)
			assert.Equal(t, c.want, err.Error())
			assert.Empty(t, cfg.Endpoints)
			var e *configfile.Error
			assert.ErrorAs(t, err, &e)
		})
	}
}

func TestEveryFaultOfAFileIsReportedAtOnce(t *testing.T) {
	for text, want := range map[string][]string{
		`role: sequencer
endpoints:
  - {name: a, address: "http://a:1", weight: 200}
  - {name: a, address: "http://b", zone: " "}
  - 7
healthCheck: {interval: 0s, fall: 0, timeout: 3s}
maxAttempts: many
maxAtempts: 3
zone: " eu"
reresolveInterval: 1ms
`: {
			`3:46: endpoints[0].weight 200: want a whole number from 1 to 100`,
			`4:24: endpoints[1].address "http://b": missing port; want http://host:port`,
			`4:42: endpoints[1].zone " ": begins or ends with a space; want`,
			`5:5: endpoints[2]: want a mapping of keys to values`,
			`6:25: healthCheck.interval "0s": want a duration above zero, such as "1s"`,
			`6:35: healthCheck.fall 0: want a whole number from 1 to 1000`,
			`7:14: maxAttempts "many": want a whole number from 1 to 100`,
			`8:1: maxAtempts: want a known key: attemptTimeout, deadAfter, ejection,`,
			`9:7: zone " eu": want printable text`,
			`10:20: reresolveInterval "1ms": want a duration from 1s`,
		},
		`role: mediator
policy: fastest
endpoints: [{address: "http://a:1"}]
healthCheck: {grpcPort: 10043, rise: 0}
failover: {holdDown: 1}
`: { // and not that the role needs a health port, nor that the default policy has no failover
			`2:9: policy "fastest": want "healthy_round_robin" or "healthy_least_loaded" or "active_passive"`,
			`4:38: healthCheck.rise 0: want`,
			`5:22: failover.holdDown 1: want a duration above zero`,
		},
		"role: king\nendpoints: x\n": {
			`1:7: role "king": want ""`,
			`2:12: endpoints "x": want an array`,
		},
	} {
		path := filepath.Join(t.TempDir(), "lb.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := configfile.Load(path)
		require.Error(t, err)
		lines := strings.Split(err.Error(), "\n")
		if !assert.Len(t, lines, len(want), err) {
			continue
		}
		for i, w := range want {
			assert.True(t, strings.HasPrefix(lines[i], path+":"+w), "%s\nwant %s", lines[i], w)
		}
		assert.Len(t, configerr.All(err), len(want), "errors.As finds each")
	}
}
