package configfile_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

const everyHTTPKey = `
name: orders
host: json
role: json_api_2
policy: healthy_least_loaded
endpoints:
  - name: json1
    address: https://json1.example.com/api
    serverName: json1.internal
    weight: 3
    zone: eu
    priority: 1
    tls: {rootCAFile: /etc/lb/ca.pem, certFile: /etc/lb/cert.pem, keyFile: /etc/lb/key.pem}
    tokenFile: /run/secrets/json1
  - {address: "http://json2:7575", token: not-so-secret, allowInsecureTokens: true, health: {http: "http://{host}/health", expectedStatus: 204}}
readyPath: /ready?deep=1
livePath: "-"
healthCheck: {interval: 2s, timeout: 0.5s, fall: 3, rise: 4, jitter: 0}
ejection: {consecutiveFailures: 7, baseTime: 2s, maxTime: 1m30s}
noneEligible: wait
deadAfter: 5s
zone: eu
spillBelow: 0.25
idempotent: ["POST /reports/{id}"]
resubmission: false
maxAttempts: 5
retryBudget: {share: 0, perSecond: 2.5}
hedgeAfter: 20ms
maxReplay: 0
`

// oneHTTP is the file of an HTTP service with one good endpoint, and text after it.
func oneHTTP(text string) string {
	return "role: json_api\nendpoints:\n  - address: http://a:1\n" + text
}

func TestParseJSONAPIReadsEveryKey(t *testing.T) {
	got, err := configfile.ParseJSONAPI([]byte(everyHTTPKey))
	require.NoError(t, err)
	health, err := healthcheck.Config{
		Interval: 2 * time.Second, Timeout: time.Second / 2, Fall: 3, Rise: 4, Jitter: healthcheck.NoJitter,
	}.WithDefaults()
	require.NoError(t, err)
	health.OnUnimplemented = ""
	assert.Equal(t, jsonapi.Config{
		Name: "orders", Host: "json", Role: jsonapi.JSONAPI2, Policy: jsonapi.LeastLoaded,
		Endpoints: []jsonapi.Endpoint{
			{
				Name: "json1", Address: "https://json1.example.com/api", ServerName: "json1.internal", Weight: 3, Zone: "eu", Priority: 1,
				TLS:       cantonlb.TLS{RootCAFile: "/etc/lb/ca.pem", CertFile: "/etc/lb/cert.pem", KeyFile: "/etc/lb/key.pem"},
				TokenFile: "/run/secrets/json1",
			},
			{
				Address: "http://json2:7575", Token: resolver.NewSecret("not-so-secret"), AllowInsecureTokens: true,
				Health: cantonlb.HealthTarget{HTTP: "http://{host}/health", ExpectedStatus: 204},
			},
		},
		ReadyPath: "/ready?deep=1", LivePath: "-", HealthCheck: health,
		Ejection:     cantonlb.Ejection{ConsecutiveFailures: 7, BaseTime: 2 * time.Second, MaxTime: 90 * time.Second},
		NoneEligible: cantonlb.Wait, DeadAfter: 5 * time.Second, Zone: "eu", SpillBelow: 0.25,
		Idempotent: []string{"POST /reports/{id}"}, NoResubmission: true, MaxAttempts: 5,
		RetryBudget: cantonlb.RetryBudget{Share: -1, PerSecond: 2.5}, HedgeAfter: 20 * time.Millisecond, MaxReplay: -1,
	}, got)
	got, err = configfile.ParseJSONAPI([]byte(oneHTTP("healthCheck: {}\nfailover: {drain: 1s}\nresubmission: true\nmaxReplay: 7\n")))
	require.NoError(t, err)
	assert.Equal(t, cantonlb.Failover{Drain: time.Second}, got.Failover)
	assert.False(t, got.NoResubmission)
	assert.EqualValues(t, 7, got.MaxReplay)
	got, err = configfile.ParseJSONAPI([]byte(oneHTTP("")))
	require.NoError(t, err)
	assert.Equal(t, jsonapi.Config{Role: jsonapi.JSONAPI, Endpoints: []jsonapi.Endpoint{{Address: "http://a:1"}}}, got)
}

// A field that is added to jsonapi.Config must not be forgotten here.
func TestEveryFieldOfAnHTTPServiceHasItsKey(t *testing.T) {
	keys := []string{"resubmission"} // of NoResubmission
	for i := range reflect.TypeFor[jsonapi.Config]().NumField() {
		key := keyOf(reflect.TypeFor[jsonapi.Config]().Field(i).Name)
		if !slices.Contains([]string{"noResubmission", "transport"}, key) && !slices.Contains(onlyInGo, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	_, err := configfile.ParseJSONAPI([]byte(oneHTTP("no-such-key: 1\n")))
	require.ErrorContains(t, err, "no-such-key: want a known key: "+strings.Join(keys, ", "))
}

// badHTTPConfigs are files of HTTP services that are refused, and why.
var badHTTPConfigs = map[string]struct{ text, want string }{
	"empty":   {"", `want one YAML document: a mapping of keys to values`},
	"a list":  {"- role\n", `line 1, column 1: [...]: want a mapping of keys to values`},
	"no role": {"streamDrain: 1s\n", `line 1, column 1: role: missing, or no text; want "http" or "json_api" or "json_api_2" or "oauth2_middleware" or "trigger_service"`},
	"a role that is a number": {"role: 1\n",
		`line 1, column 1: role: missing, or no text; want "http" or "json_api" or "json_api_2" or "oauth2_middleware" or "trigger_service"`},
	"a role of gRPC": {"role: sequencer\nstreamDrain: 1s\n",
		`line 1, column 7: role "sequencer": want "http" or "json_api" or "json_api_2" or "oauth2_middleware" or "trigger_service"`},
	"a role twice": {oneHTTP("role: http\n"),
		`line 4, column 1: role: want each key only once; it is also in line 1`},
	"no endpoints": {"role: http\n",
		`line 1, column 1: endpoints: empty list; want at least one endpoint`},
	"a setting of gRPC": {oneHTTP("streamDrain: 1s\n"),
		`line 4, column 1: streamDrain: want a known key: deadAfter, ejection, endpoints, failover, healthCheck, hedgeAfter, host, idempotent, ` +
			`livePath, maxAttempts, maxReplay, name, noneEligible, policy, readyPath, resubmission, retryBudget, role, spillBelow, zone`},
	"a health check of gRPC": {oneHTTP("healthCheck:\n  grpcPort: 0\n  watch: true\n"),
		"line 5, column 3: healthCheck.grpcPort: set, but it is for gRPC; want readyPath, or http\n" +
			"line 6, column 3: healthCheck.watch: set, but it is for gRPC; want readyPath, or http"},
	"a health check that is bad and of gRPC": {oneHTTP("healthCheck: {service: x, onUnimplemented: unhealthy, fall: 0}\n"),
		"line 4, column 15: healthCheck.service: set, but it is for gRPC; want readyPath, or http\n" +
			"line 4, column 27: healthCheck.onUnimplemented: set, but it is for gRPC; want readyPath, or http\n" +
			"line 4, column 61: healthCheck.fall 0: want a whole number from 1 to 1000"},
	"a health check that is text": {oneHTTP("healthCheck: x\n"),
		`line 4, column 14: healthCheck "x": want a mapping of keys to values`},
	"a health target of gRPC": {"role: http\nendpoints:\n  - {address: \"http://a:1\", health: {grpcPort: 1}}\n",
		`line 3, column 48: endpoints[0].health.grpcPort 1: an HTTP service is not asked by gRPC; want health.http or health.tcp`},
	"an address without a scheme": {"role: http\nendpoints: [{address: \"a:1\"}]\n",
		`line 2, column 23: endpoints[0].address "a:1": does not say whether the connection is to be TLS or plaintext; want https:// or http:// before it, or TLS settings`},
	"a query in a base URL": {"role: http\nendpoints: [{address: \"http://a/x?y\"}]\n",
		`line 2, column 23: endpoints[0].address "http://a/x?y": has a query; want a base URL such as "https://host:7575/api"`},
	"a password": {"role: http\nendpoints: [{address: \"https://joe:hush@a/x\"}]\n",
		`line 2, column 23: endpoints[0].address [hidden]: has user information (the part before an @); want host:port`},
	"a token over plaintext": {"role: http\nendpoints: [{address: \"http://a:1\", token: hush-hush}]\n",
		`line 2, column 37: endpoints[0].token: would be sent over plaintext; want an https:// address, or allowInsecureTokens`},
	"a host with a port": {oneHTTP("host: a:1\n"),
		`line 4, column 7: host "a:1": want a host name without a port, of letters, digits, dots and dashes`},
	"a page that is a URL": {oneHTTP("readyPath: http://a/\n"),
		`line 4, column 12: readyPath "http://a/": want a path of at most 1024 bytes, such as "/readyz"`},
	"a page with a fragment": {oneHTTP("livePath: /x#y\n"),
		`line 4, column 11: livePath "/x#y": want a path of at most 1024 bytes, such as "/readyz"`},
	"a page that is a number": {oneHTTP("readyPath: 1\n"),
		`line 4, column 12: readyPath 1: want a string of at most 1024 bytes of valid Unicode`},
	"a method of gRPC": {oneHTTP("idempotent: [/pkg.Service/Get]\n"),
		`line 4, column 14: idempotent[0] "/pkg.Service/Get": want a method and a path, such as "POST /reports/{id}"`},
	"a hedge with active_passive": {oneHTTP("hedgeAfter: 1s\n"),
		`line 4, column 1: hedgeAfter: set, but the policy active_passive does not use it; want a policy with several endpoints at a time`},
	"failover without its policy": {"role: http\nfailover: {drain: 1s}\nendpoints: [{address: \"http://a\"}]\n",
		`line 2, column 1: failover: set, but the policy healthy_round_robin does not use it; want the policy active_passive`},
	"a policy of no service": {oneHTTP("policy: round_robin\n"),
		`line 4, column 9: policy "round_robin": want "active_passive" or "healthy_round_robin" or "healthy_least_loaded"`},
	"a body that is too large": {oneHTTP("maxReplay: 67108865\n"),
		`line 4, column 12: maxReplay 67108865: want a whole number from 0 to 67108864`},
	"resubmission that is a number": {oneHTTP("resubmission: 1\n"),
		`line 4, column 15: resubmission 1: want true or false`},
	"null": {oneHTTP("host:\n"),
		`line 4, column 6: host null: want a value; leave the key out for its default`},
	"several faults": {oneHTTP("maxAttempts: 0\nnope: 1\nretryBudget: {share: 2}\n"),
		"line 4, column 14: maxAttempts 0: want a whole number from 1 to 100\n" +
			"line 5, column 1: nope: want a known key: deadAfter, ejection, endpoints, failover, healthCheck, hedgeAfter, host, idempotent, " +
			"livePath, maxAttempts, maxReplay, name, noneEligible, policy, readyPath, resubmission, retryBudget, role, spillBelow, zone\n" +
			"line 6, column 22: retryBudget.share 2: want a number from 0 to 1"},
}

func TestABadFileOfAnHTTPServiceIsAnErrorThatSaysWhereAndWhatWouldBeRight(t *testing.T) {
	for name, c := range badHTTPConfigs {
		t.Run(name, func(t *testing.T) {
			cfg, err := configfile.ParseJSONAPI([]byte(c.text))
			require.Error(t, err)
			assert.Equal(t, c.want, err.Error())
			assert.Empty(t, cfg.Endpoints)
			var e *configfile.Error
			assert.ErrorAs(t, err, &e)
		})
	}
	_, err := configfile.Parse([]byte(oneHTTP("host: x\n")))
	require.EqualError(t, err, `line 1, column 7: role "json_api": is that of an HTTP service; want NewJSONAPIClient, or the role of a gRPC service`)
}

func TestLoadJSONAPINamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "json.yaml")
	for _, load := range []func() error{
		func() error { _, err := configfile.LoadJSONAPI(path); return err },
		func() error { _, err := configfile.NewJSONAPIClient(path); return err },
	} {
		require.ErrorIs(t, load(), os.ErrNotExist)
		require.NoError(t, os.WriteFile(path, []byte(oneHTTP("zone: 1\n")), 0o600))
		require.EqualError(t, load(), path+":4:7: zone 1: want a string of at most 64 bytes of valid Unicode")
		require.NoError(t, os.Remove(path))
	}
	// What only the content of other files shows has its position, too.
	replaceFile(t, path, "role: http\nendpoints:\n  - {address: \"https://a\", tls: {rootCAFile: no-such.pem}}\n  - {address: \"https://b\", tokenFile: none}\n")
	_, err := configfile.LoadJSONAPI(path)
	require.NoError(t, err)
	_, err = configfile.NewJSONAPIClient(path)
	require.ErrorContains(t, err, path+":3:46: endpoints[0].tls.rootCAFile \"no-such.pem\"")
	require.ErrorContains(t, err, path+":4:39: endpoints[1].tokenFile \"none\"")
	assert.Len(t, configerr.All(err), 2)
}

// jsonServer is a server of a JSON API that answers with its name.
func jsonServer(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, name) }))
	t.Cleanup(s.Close)
	return s
}

func TestTheFileOfAJSONAPIIsFollowed(t *testing.T) {
	a, b := jsonServer(t, "a"), jsonServer(t, "b")
	path := filepath.Join(t.TempDir(), "json.yaml")
	text := func(name string, s *httptest.Server) string {
		return fmt.Sprintf("role: json_api\nendpoints: [{name: %s, address: %q}]\n", name, s.URL)
	}
	replaceFile(t, path, text("a", a))
	calls := 0
	c, err := configfile.NewJSONAPIClientWith(path, func(cfg *jsonapi.Config) {
		calls++
		cfg.Name = "followed"
	})
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	ctx := testkit.Context(t)
	await := func(holds func(s report.Status) bool) (s report.Status) {
		t.Helper()
		require.Eventually(t, func() bool { s = c.Status(); return holds(s) }, 30*time.Second, 5*time.Millisecond)
		return s
	}
	s := c.Status()
	require.NotNil(t, s.File)
	assert.Equal(t, path, s.File.Path)
	assert.NotZero(t, s.File.LoadedAt)
	assert.Contains(t, s.Target, "#followed")
	require.NoError(t, c.WaitHealthy(ctx, 1))

	replaceFile(t, path, text("b", b)+"maxAttempts: 2\nresubmission: false\n")
	s = await(func(s report.Status) bool { return s.File.Reloads == 1 })
	assert.Equal(t, []string{"b"}, names(s))
	assert.Equal(t, []string{"maxAttempts", "noResubmission"}, s.File.Pending)
	assert.Contains(t, strings.Join(s.Notes, "\n"), "take effect at the next start: maxAttempts, noResubmission")

	replaceFile(t, path, text("b", b)+"endpoint: []\n")
	s = await(func(s report.Status) bool { return s.File.Failures == 1 })
	assert.Contains(t, s.File.Error, path+":3:1: endpoint: want a known key")
	replaceFile(t, path, "role: http\nendpoints: [{address: \"https://a\", tls: {rootCAFile: no-such.pem}}]\n")
	s = await(func(s report.Status) bool { return s.File.Failures == 2 })
	assert.Contains(t, s.File.Error, path+":2:54: endpoints[0].tls.rootCAFile \"no-such.pem\"")
	assert.Equal(t, []string{"b"}, names(s), "a bad file changes nothing")
	assert.EqualValues(t, 2, s.Totals.ListsRefused)

	replaceFile(t, path, "# again\n"+text("b", b))
	s = await(func(s report.Status) bool { return s.File.Reloads == 2 })
	assert.Empty(t, s.File.Error)
	assert.Empty(t, s.File.Pending)
	assert.EqualValues(t, 3, s.Totals.ListsAccepted, "the end of a refusal is an event")
	resp, err := c.HTTP().Get("http://ledger/v2/version")
	require.NoError(t, err)
	resp.Body.Close()
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	assert.Equal(t, 4, calls, "for each content that is valid, and not after Close")
}

func TestTheSchemaKnowsTheFilesOfHTTPServices(t *testing.T) {
	s := compiled(t)
	require.NoError(t, judge(t, s, everyHTTPKey))
	long := strings.Repeat("x", 1100)
	for text, good := range map[string]bool{
		oneHTTP(""): true, "role: json_api\n": false, "role: http\nendpoints: []\n": false, "role: http\nendpoints: [{name: a}]\n": false,
		oneHTTP("host: a.b-1"): true, oneHTTP("host: \"a:1\""): false, oneHTTP("host: " + strings.Repeat("x", 254)): false,
		oneHTTP("policy: healthy_round_robin"): true, oneHTTP("policy: x"): false,
		oneHTTP("readyPath: /x"): true, oneHTTP("readyPath: /"): true, oneHTTP("readyPath: x"): false, oneHTTP("readyPath: //x"): false,
		oneHTTP("readyPath: \"/x#y\""): false, oneHTTP("readyPath: \"-\""): false, oneHTTP("readyPath: /" + long): false, oneHTTP("readyPath: \"\""): true,
		oneHTTP("livePath: \"-\""): true, oneHTTP("livePath: /y?z"): true, oneHTTP("livePath: y"): false, oneHTTP("livePath: /" + long): false,
		oneHTTP("healthCheck: {interval: 2s, http: \"http://{host}/\"}"): true, oneHTTP("healthCheck: {service: \"\"}"): false,
		oneHTTP("healthCheck: {grpcPort: 0}"): false, oneHTTP("healthCheck: {watch: true}"): false, oneHTTP("healthCheck: {fall: 0}"): false,
		oneHTTP("healthCheck: {onUnimplemented: connectivity}"): false, oneHTTP("healthCheck: {disabled: true}"): true,
		oneHTTP("failover: {holdDown: 1m}"): true, oneHTTP("failover: {x: 1m}"): false, oneHTTP("noneEligible: failOpen"): true,
		oneHTTP("noneEligible: x"): false, oneHTTP("deadAfter: 1s"): true, oneHTTP("deadAfter: 1"): false,
		"role: http\nendpoints: [{address: http://a}]\nzone: eu\nspillBelow: 0.5\nhedgeAfter: 1s": true, oneHTTP("spillBelow: 0"): false,
		"role: http\nendpoints: [{address: http://a}]\nhedgeAfter: 1": false,
		oneHTTP("idempotent: [\"POST /x\"]"):                          true, oneHTTP("idempotent: [\"post /x\"]"): false, oneHTTP("idempotent: [/x]"): false,
		oneHTTP("idempotent: [\"POST /x?y\"]"): false, oneHTTP("resubmission: false"): true, oneHTTP("resubmission: 0"): false,
		oneHTTP("maxAttempts: 1"): true, oneHTTP("maxAttempts: 0"): false, oneHTTP("retryBudget: {share: 0}"): true, oneHTTP("retryBudget: {share: 2}"): false,
		oneHTTP("maxReplay: 0"): true, oneHTTP("maxReplay: 67108864"): true, oneHTTP("maxReplay: 67108865"): false, oneHTTP("maxReplay: -1"): false,
		oneHTTP("streamDrain: 1s"): false, oneHTTP("hedge: {}"): false, oneHTTP("serviceConfig: {}"): false, oneHTTP("noResubmission: true"): false,
		oneHTTP("ejection: {consecutiveFailures: 1}"): true, oneHTTP("name: a b"): false, oneHTTP("name: a"): true,
		"role: trigger_service\nendpoints: [{address: \"https://a/" + strings.Repeat("x", 1000) + "\"}]":       true,
		"role: oauth2_middleware\nendpoints: [{address: http://a, health: {tcp: \"a:1\"}}]":                    true,
		"role: json_api_2\nendpoints: [{address: http://a, health: {grpcPort: 1}}]":                            false,
		"role: json_api_2\nendpoints: [{address: http://a, health: {grpcAddress: \"b:1\"}}]":                   false,
		"role: json_api_2\nendpoints: [{address: http://a, weight: 0}]":                                        false,
		"role: json_api_2\nendpoints: [{address: http://a, token: x, allowInsecureTokens: true, weight: 100}]": true,
	} {
		_, err := configfile.ParseJSONAPI([]byte(text))
		assert.Equal(t, good, err == nil, "the loader: %.80s: %v", text, err)
		err = judge(t, s, text)
		assert.Equal(t, good, err == nil, "the schema: %.80s: %v", text, err)
	}
}

func TestTheExampleOfAnHTTPServiceInTheDocumentationIsRead(t *testing.T) {
	example := documented(t, "## HTTP services")
	got, err := configfile.ParseJSONAPI([]byte(example))
	require.NoError(t, err)
	assert.Len(t, got.Endpoints, 2)
	require.NoError(t, judge(t, compiled(t), example))
}

func FuzzParseJSONAPI(f *testing.F) {
	for _, c := range badHTTPConfigs {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(everyHTTPKey))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := configfile.ParseJSONAPI(data)
		if err != nil {
			require.Empty(t, cfg.Endpoints)
			require.ErrorAs(t, err, new(*configfile.Error))
			require.Less(t, len(err.Error()), 100_000)
			return
		}
		require.NoError(t, cfg.Check(), "what the loader takes is valid")
	})
}
