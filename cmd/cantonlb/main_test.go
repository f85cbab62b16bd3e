package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/lease/process"
	"github.com/cantonlb/cantonlb/report"
)

func TestMain(m *testing.M) {
	process.Guard()
	if os.Getenv(programKey) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// result is what came of the command.
type result struct {
	code      int
	out, errs string
}

// command runs the command as with these arguments.
func command(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	out, errs := new(log), new(log) // a program that it runs writes at the same time
	code := run(ctx, args, strings.NewReader(""), out, errs, nil)
	return result{code, out.String(), errs.String()}
}

func cluster(t *testing.T, n int, options ...lbtest.Option) *lbtest.Cluster {
	t.Helper()
	return lbtest.NewCluster(t, n, lbtest.RegisterEcho, append(options, lbtest.OnTCP())...)
}

// file writes a file for the test.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestCheckTellsByItsExitCodeHowManyAreHealthy(t *testing.T) {
	c := cluster(t, 3)
	check := func(args ...string) result {
		return command(t, append([]string{"check", "--plaintext", c.Target()}, args...)...)
	}
	r := check()
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.True(t, strings.HasPrefix(r.out, "3 of 3 endpoints eligible"), r.out)
	assert.NotContains(t, r.out, "\x1b", "no colours where there is no terminal")
	assert.Empty(t, r.errs)
	assert.Empty(t, check("--quiet").out)

	c.SetServing(1, "", false)
	c.Kill(2)
	r = check("--quiet")
	assert.Equal(t, codeSome, r.code)
	assert.Regexp(t, `(?m)^\S+ +`+c.Addrs()[1]+` +no +unhealthy .* not_serving$`, r.out)
	assert.Regexp(t, `(?m)^\S+ +`+c.Addrs()[2]+` +no +unreachable .*connection refused`, r.out)
	assert.Equal(t, codeAll, check("--min", "1").code)
	assert.Equal(t, codeSome, check("--min", "2").code)

	c.SetServing(0, "", false)
	assert.Equal(t, codeNone, check().code)
	assert.Equal(t, codeNone, check("--min", "1").code)
}

func TestASocketCanBeLookedAt(t *testing.T) {
	folder, err := os.MkdirTemp("", "lb") //nolint:usetesting // short, for the socket
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "s")
	lis, err := net.Listen("unix", path)
	require.NoError(t, err)
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(lis) }()
	defer func() {
		server.Stop()
		assert.NoError(t, <-ended)
	}()
	for _, target := range []string{"static:///unix://" + path, "unix://" + path, "unix:" + path} {
		for _, plaintext := range [][]string{nil, {"--plaintext"}} {
			got := command(t, append([]string{"check", target}, plaintext...)...)
			assert.Equal(t, codeAll, got.code, got.errs)
			assert.Contains(t, got.out, "unix://"+path)
		}
	}
	got := command(t, "check", "unix://relative/s")
	assert.Equal(t, codeUsage, got.code)
	assert.Contains(t, got.errs, `"unix://relative/s": has a host, or too few slashes; want unix:///path`)
}

func TestCheckSaysWhatIsNotChecked(t *testing.T) {
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithoutHealth(), lbtest.OnTCP())
	r := command(t, "check", "--plaintext", c.Target())
	assert.Equal(t, codeAll, r.code)
	assert.Contains(t, r.out, "note: no health service: of "+c.Addrs()[0]+" only the connection is checked")
	assert.Equal(t, codeSome, command(t, "check", "--plaintext", "--strict", c.Target()).code)
	r = command(t, "explain", "--plaintext", c.Target(), c.Addrs()[0])
	assert.Contains(t, r.out, "connected; no health service")
	assert.NotContains(t, r.out, "said serving")
	assert.Equal(t, codeAll, command(t, "check", "--plaintext", "--strict", cluster(t, 1).Target()).code)
}

func TestCheckDoesNotWaitForAServerThatHangs(t *testing.T) {
	c := cluster(t, 2)
	c.Hang(1)
	r := command(t, "check", "--plaintext", "--timeout", "400ms", c.Target())
	assert.Equal(t, codeSome, r.code)
	assert.Contains(t, r.out, "1 of 2 endpoints eligible")
}

func TestOneThatIsInterruptedKnowsNothing(t *testing.T) {
	c := cluster(t, 2)
	c.Hang(1)
	for _, name := range []string{"check", "explain"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		out, errs := new(log), new(log)
		code := run(ctx, []string{name, "--plaintext", c.Target()}, strings.NewReader(""), out, errs, nil)
		assert.Equal(t, codeUsage, code)
		assert.Equal(t, "cantonlb: interrupted before the state of every endpoint was known\n", errs.String())
		assert.Empty(t, out.String())
	}
}

func TestCheckOfHTTPServers(t *testing.T) {
	ready := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer ready.Close()
	not := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer not.Close()
	list := strings.TrimPrefix(ready.URL, "http://") + "," + not.URL + "/api"
	r := command(t, "check", "--role", "json_api", "--plaintext", list)
	assert.Equal(t, codeSome, r.code, r.errs)
	assert.Contains(t, r.out, "1 of 2 endpoints eligible")
	assert.Contains(t, r.out, "its process is alive")
	assert.Equal(t, codeAll, command(t, "check", "--role", "json_api", "--min", "1", "--plaintext", list).code)
	r = command(t, append([]string{"check", "--role", "json_api", "--plaintext"}, strings.Split(list, ",")...)...)
	assert.Contains(t, r.out, "1 of 2 endpoints eligible", "several targets")
	assert.Equal(t, codeAll, command(t, "check", "--role", "http", "--health-http", ready.URL, "--plaintext", list).code)
	r = command(t, "explain", "--role", "json_api_2", "--plaintext", list)
	assert.Equal(t, codeAll, r.code, r.errs)
	for _, bad := range [][]string{
		{"--role", "json_api", "--service", "s", list}, {"--role", "json_api", "--plaintext", "--ca", "x", list},
		{"--role", "json_api", "ftp://a"}, {"--role", "json_api", ""}, {"--role", "json_api", "--plaintext", "-H", "a: b", list},
	} {
		assert.Equal(t, codeUsage, command(t, append([]string{"check"}, bad...)...).code, bad)
	}

	config := file(t, "json.yaml", "role: json_api\nendpoints: [{name: a, address: \""+ready.URL+"\"}, {name: b, address: \""+not.URL+"/api\"}]\n")
	r = command(t, "check", "--config", config)
	assert.Equal(t, codeSome, r.code, r.errs)
	assert.Contains(t, r.out, "1 of 2 endpoints eligible")
	for _, bad := range [][]string{{"--plaintext"}, {"--role", "json_api"}, {"--token-file", config}} {
		assert.Equal(t, codeUsage, command(t, append([]string{"check", "--config", config}, bad...)...).code, bad)
	}
	r = command(t, "check", "--config", file(t, "bad.yaml", "role: json_api\nendpoints: [{address: \"http://a\"}]\nstreamDrain: 1s\n"))
	assert.Equal(t, codeUsage, r.code)
	assert.Contains(t, r.errs, "bad.yaml:3:1: streamDrain: want a known key: deadAfter")
	names, _ := (&target{config: config}).names(nil, nil, "")
	assert.Equal(t, []string{"a", "b"}, names)
}

// The command shows what happens itself: lines of a log would be between its own, and on its
// screen.
func TestTheCommandWritesNoLog(t *testing.T) {
	var lines log
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&lines, nil)))
	defer slog.SetDefault(before)
	jsonAPI := file(t, "json.yaml", "role: json_api\nendpoints: [{address: \"http://127.0.0.1:1\"}]\n")
	grpcAPI := file(t, "lb.yaml", "endpoints: [{address: \"http://127.0.0.1:1\"}]\n")
	shards := file(t, "shards.yaml", "shards: {s: {client: {endpoints: [{address: \"http://127.0.0.1:1\"}]}, json: {endpoints: [{address: \"http://127.0.0.1:1\"}]}}}\n")
	for _, args := range [][]string{
		{"--plaintext", "127.0.0.1:1"}, {"--role", "json_api", "--plaintext", "127.0.0.1:1"},
		{"--config", grpcAPI}, {"--config", jsonAPI}, {"--config", shards},
	} {
		for _, name := range []string{"check", "explain"} {
			r := command(t, append([]string{name, "--timeout", "500ms"}, args...)...)
			assert.Equal(t, codeNone, r.code, r.errs)
			assert.Empty(t, lines.String(), args)
		}
	}
}

func TestCheckAsJSON(t *testing.T) {
	c := cluster(t, 2)
	c.SetServing(1, "", false)
	r := command(t, "check", "--json", "--plaintext", c.Target())
	assert.Equal(t, codeSome, r.code)
	var d report.Status
	require.NoError(t, json.Unmarshal([]byte(r.out), &d))
	assert.Equal(t, 1, d.Eligible())
	assert.Equal(t, report.ReasonNotServing, d.Endpoints[1].Reason)
	assert.Positive(t, d.Endpoints[0].Probe.RoundTrip)
}

func TestCheckOverTLS(t *testing.T) {
	ca, stranger := lbtest.NewCA(t, "ours"), lbtest.NewCA(t, "another")
	server, client := ca.Issue("sequencers.example", "127.0.0.1"), ca.Issue("a client")
	certificate, err := tls.X509KeyPair([]byte(server.CertPEM), []byte(server.KeyPEM))
	require.NoError(t, err)
	clients := x509.NewCertPool()
	require.True(t, clients.AppendCertsFromPEM([]byte(ca.PEM())))
	c := cluster(t, 2, lbtest.WithServerOptions(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients,
	}))))
	roots := file(t, "ca.pem", ca.PEM())
	for name, test := range map[string]struct {
		args []string
		code int
		out  string
	}{
		"the right authority":    {[]string{"--ca", roots}, codeAll, "2 of 2"},
		"another name":           {[]string{"--ca", roots, "--server-name", "sequencers.example"}, codeAll, "2 of 2"},
		"a client's certificate": {[]string{"--ca", roots, "--cert", file(t, "c.pem", client.CertPEM), "--key", file(t, "k.pem", client.KeyPEM)}, codeAll, "2 of 2"},
		"the system's roots":     {nil, codeNone, "certificate signed by unknown authority"},
		"the wrong authority":    {[]string{"--ca", file(t, "x.pem", stranger.PEM())}, codeNone, "certificate signed by unknown authority"},
		"the wrong name":         {[]string{"--ca", roots, "--server-name", "mediators.example"}, codeNone, "not mediators.example"},
		"plaintext against TLS":  {[]string{"--plaintext"}, codeNone, "0 of 2"},
	} {
		r := command(t, append([]string{"check", "--timeout", "2s", c.Target()}, test.args...)...)
		assert.Equal(t, test.code, r.code, "%s: %s%s", name, r.out, r.errs)
		assert.Contains(t, r.out, test.out, name)
	}
}

func TestCheckAsksForTheServiceOfTheRole(t *testing.T) {
	c := cluster(t, 1, lbtest.WithHealthServices("sequencer-health-check-service", "mine"))
	c.SetServing(0, "sequencer-health-check-service", false)
	check := func(args ...string) int {
		return command(t, append([]string{"check", "--plaintext", c.Target()}, args...)...).code
	}
	assert.Equal(t, codeAll, check())
	assert.Equal(t, codeNone, check("--role", "sequencer"))
	assert.Equal(t, codeAll, check("--service", "mine"))
	assert.Equal(t, codeNone, check("--service", "nobody's"))
}

func TestOfActivePassiveReplicasOneIsEnough(t *testing.T) {
	c := cluster(t, 2)
	c.SetServing(0, "", false)
	r := command(t, "check", "--plaintext", "--role", "participant_ledger", "--min", "1", c.Target())
	assert.Equal(t, codeAll, r.code)
	assert.Regexp(t, `active: 127\.0\.0\.1:\d+ for `, r.out)
}

func TestTheConfigFileSaysWhatToLookAt(t *testing.T) {
	c := cluster(t, 2)
	c.SetServing(1, "", false)
	config := file(t, "lb.yaml", "endpoints:\n- {name: seq1, address: \"http://"+c.Addrs()[0]+"\"}\n- {name: seq2, address: \"http://"+c.Addrs()[1]+"\"}\n")
	r := command(t, "check", "--config", config)
	assert.Equal(t, codeSome, r.code, r.errs)
	assert.Regexp(t, `(?m)^seq2 .* not_serving$`, r.out)

	r = command(t, "explain", "--config", config, "seq2")
	assert.Equal(t, codeNone, r.code)
	assert.Contains(t, r.out, "seq2 is not eligible: it is unhealthy (not_serving, ")
	assert.NotContains(t, r.out, "seq1")
}

func TestExplainSaysWhatWouldBePickedAndWhyTheOthersWouldNot(t *testing.T) {
	c := cluster(t, 2)
	c.SetServing(1, "", false)
	r := command(t, "explain", "--plaintext", c.Target())
	assert.Equal(t, codeAll, r.code)
	assert.Contains(t, r.out, c.Addrs()[0]+" is the only eligible endpoint: all calls go there.\n")
	assert.Contains(t, r.out, c.Addrs()[1]+" is not eligible: it is unhealthy (not_serving, ")
	assert.Regexp(t, `(?m)^   NO   healthy +unhealthy; the newest probe`, r.out)

	var list []view.Explanation
	require.NoError(t, json.Unmarshal([]byte(command(t, "explain", "--json", "--plaintext", c.Target()).out), &list))
	require.Len(t, list, 2)
	assert.True(t, list[0].Picked)
	assert.False(t, list[1].Picked)
}

func TestWrongUseHasACodeOfItsOwnAndSaysWhatWouldBeRight(t *testing.T) {
	empty := file(t, "empty.pem", "")
	config := file(t, "lb.yaml", "endpoints: [{name: a, address: \"http://127.0.0.1:1\", wait: 3}]\n")
	for want, args := range map[string][]string{
		"want a TARGET, such as static:///host1:port,host2:port, or --config FILE": {"check"},
		`unknown command "chekc"`:                              {"chekc"},
		"unknown flag: --fast":                                 {"check", "--fast", "a:1"},
		"--plaintext and --ca, --cert, --key or --server-name": {"check", "--plaintext", "--ca", "x", "a:1"},
		`--ca "absent.pem": no such file`:                      {"check", "--ca", "absent.pem", "a:1"},
		"no certificate in it; want regular files in PEM":      {"check", "--ca", empty, "a:1"},
		"--cert and --key: want both or neither":               {"watch", "--cert", "x", "a:1"},
		"asks for TLS while":                                   {"check", "--plaintext", "a:1,https://b:2"},
		"--timeout 0s: want a duration above zero":             {"explain", "--timeout", "0s", "a:1"},
		`arguments ["http://a" "b"]: want one URL, such as`:    {"status", "http://a", "b"},
		"no program: want it after the flags":                  {"run", "--name", "pink"},
		"--timeout -1s: want a duration above zero":            {"status", "--timeout", "-1s", "http://a:1"},
		`--token-file "/dev/null": want a regular file`:        {"check", "--plaintext", "--token-file", os.DevNull, "a:1"},
		`--header "x": want "name: value", the value in print`: {"check", "--plaintext", "-H", "x: \u00fc", "a:1"},
		"--min 3: want 1 to 2":                                 {"check", "--min", "3", "--plaintext", "127.0.0.1:1,127.0.0.1:2"},
		"mediator, domain_manager, json_api, json_api_2":       {"check", "--role", "sequencers", "--plaintext", "a:1"},
		"--service and --health-http: want one or the other":   {"check", "--service", "mine", "--health-http", "http://{host}:1/", "--plaintext", "a:1"},
		"--role and --config: want it in the file":             {"check", "--config", config, "--role", "sequencer"},
		`lb.yaml:1:`: {"check", "--config", config},
		`endpoint "x": want the name of one in the list, such as "127.0.0.1:1"`: {"explain", "--plaintext", "127.0.0.1:1", "x"},
		"static:///%zz":                {"check", "static:///%zz"},
		"missing port; want host:port": {"check", "static:///host"},
	} {
		r := command(t, args...)
		assert.Equal(t, codeUsage, r.code, args)
		assert.Contains(t, r.errs, want)
		assert.Equal(t, 1, strings.Count(r.errs, "cantonlb: "), r.errs)
		assert.True(t, strings.HasPrefix(r.errs, "cantonlb: "), r.errs)
		assert.Empty(t, r.out, args)
	}
}

func TestHelpHasExamplesAndShellsComplete(t *testing.T) {
	for _, name := range []string{"check", "watch", "explain"} {
		help := command(t, name, "--help")
		assert.Equal(t, codeAll, help.code)
		assert.Contains(t, help.out, "Examples:\n")
		assert.Contains(t, help.out, "--config file")
		assert.Contains(t, help.out, "a list with both has one of them before each address")
	}
	assert.Contains(t, command(t, "__complete", "check", "--role", "").out, "participant_ledger\n")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		assert.NotEmpty(t, command(t, "completion", shell).out)
	}
}

func TestColoursAreForTerminalsAndNotForThoseWhoWantNone(t *testing.T) {
	c := cluster(t, 1)
	for _, test := range []struct {
		environ  []string
		coloured bool
	}{
		{nil, false},
		{[]string{"TERM=xterm", "CLICOLOR_FORCE=1"}, true},
		{[]string{"TERM=xterm", "NO_COLOR=1"}, false},
	} {
		var out, errs bytes.Buffer
		run(t.Context(), []string{"check", "--plaintext", c.Target()}, nil, &out, &errs, test.environ)
		assert.Equal(t, test.coloured, strings.Contains(out.String(), "\x1b["), test.environ)
	}
}

// log is an output that a test can read meanwhile, and that several may write.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWatchWritesALineForEachChangeWhereThereIsNoTerminal(t *testing.T) {
	c := cluster(t, 2)
	for _, test := range []struct {
		args  []string
		lines []string
	}{
		{nil, []string{`: unknown -> healthy (serving)`, `: healthy -> unhealthy (not_serving)`}},
		{[]string{"--json"}, []string{`"to":"healthy","reason":"serving"`, `"from":"healthy","to":"unhealthy","reason":"not_serving"`}},
	} {
		c.SetServing(1, "", true)
		ctx, cancel := context.WithCancel(t.Context())
		out, errs := new(log), new(log)
		ended := make(chan int)
		go func() {
			ended <- run(ctx, append([]string{"watch", "--plaintext", c.Target()}, test.args...), strings.NewReader(""), out, errs, nil)
		}()
		await := func(text string, times int) {
			t.Helper()
			require.Eventually(t, func() bool { return strings.Count(out.String(), text) == times }, testkit.Patience, time.Millisecond, out.String())
		}
		await(test.lines[0], 2)
		c.SetServing(1, "", false)
		await(test.lines[1], 1)
		cancel()
		assert.Equal(t, codeAll, <-ended, errs.String())
		assert.NotContains(t, out.String(), "\x1b")
	}
}

func TestCheckTakesSeveralTargetsAndPrintsTheVersion(t *testing.T) {
	c := cluster(t, 2)
	r := command(t, append([]string{"check", "--plaintext"}, c.Addrs()...)...)
	assert.Equal(t, codeAll, r.code, r.errs)
	assert.Contains(t, r.out, "2 of 2 endpoints eligible")
	assert.NotContains(t, r.out, "CALLS", "which check does not make")
	assert.Contains(t, command(t, "check", "--plaintext", "-o", "wide", c.Addrs()[0]).out, "CALLS")
	assert.Contains(t, command(t, "check", "--plaintext", "-o", "json", c.Addrs()[0]).out, `"endpoints"`)
	assert.Equal(t, codeUsage, command(t, "check", "-o", "xml", c.Addrs()[0]).code)
	r = command(t, "--version")
	assert.Equal(t, codeAll, r.code)
	assert.Regexp(t, `^cantonlb .* go1\.`, r.out)
}

func TestCheckHasTheExitCodesOfGRPCHealthProbe(t *testing.T) {
	c := cluster(t, 1)
	check := func(args ...string) int {
		return command(t, append([]string{"check", "--exit-codes", "probe", "--plaintext"}, args...)...).code
	}
	assert.Equal(t, codeAll, check(c.Addrs()[0]))
	assert.Equal(t, probeUsage, check("--bad"))
	assert.Equal(t, probeUsage, check())
	c.SetServing(0, "", false)
	assert.Equal(t, probeNotServing, check(c.Addrs()[0]))
	c.SetServing(0, "", true)
	assert.Equal(t, probeFailed, check("--service", "unknown", c.Addrs()[0]), "the probe ends with NOT_FOUND")
	without := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithoutHealth(), lbtest.OnTCP())
	assert.Equal(t, probeFailed, check("--strict", without.Addrs()[0]), "the probe ends with UNIMPLEMENTED")
	c.Hang(0)
	assert.Equal(t, probeNoConnection, check("--timeout", "200ms", c.Addrs()[0]))
	c.Kill(0)
	assert.Equal(t, probeNoConnection, check(c.Addrs()[0]))
}

func TestATokenAndHeadersAreSentWithEachProbe(t *testing.T) {
	seen := make(chan metadata.MD, 100)
	c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP(), lbtest.WithServerOptions(
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			md, _ := metadata.FromIncomingContext(s.Context())
			seen <- md
			return next(srv, s)
		})))
	path := file(t, "token", "secret-token\n")
	r := command(t, "check", "--plaintext", "--token-file", path, "-H", "X-Tenant: north", c.Addrs()[0])
	assert.Equal(t, codeAll, r.code, r.errs)
	md := <-seen
	assert.Equal(t, []string{"Bearer secret-token"}, md.Get("authorization"))
	assert.Equal(t, []string{"north"}, md.Get("x-tenant"))
	assert.NotContains(t, r.out+r.errs, "secret-token")
	assert.Equal(t, codeUsage, command(t, "check", "--plaintext", "-H", "no colon", c.Addrs()[0]).code)
	assert.Equal(t, codeUsage, command(t, "check", "--plaintext", "--token-file", path+"x", c.Addrs()[0]).code)
	for _, name := range []string{"grpc-timeout", "Connection", "te", "host", "content-length", "grpc-encoding", "x!y"} {
		r := command(t, "check", "--plaintext", "-H", name+": 1", c.Addrs()[0])
		assert.Equal(t, codeUsage, r.code, "%s: %s", name, r.out)
		assert.Contains(t, r.errs, "--header", name)
	}
	assert.Equal(t, codeAll, command(t, "check", "--plaintext", "-H", "grpc-trace-bin: x", c.Addrs()[0]).code)
}

func TestNamesAreCompletedFromTheConfigFile(t *testing.T) {
	path := file(t, "lb.yaml", "endpoints:\n- {name: seq1, address: http://localhost:1}\n- {address: http://localhost:2}\n")
	r := command(t, "__complete", "explain", "--config", path, "")
	assert.Contains(t, r.out, "seq1\nlocalhost:2\n")
}
