package cantonlb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// logLines is a log in JSON.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logLines) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level}))
}

// all returns the lines so far.
func (l *logLines) all(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for line := range strings.Lines(l.text.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		out = append(out, fields)
	}
	return out
}

func TestTheLoggerGetsALineForEachEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		lines := new(logLines)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Name: "orders", Logger: lines.logger(slog.LevelDebug)}, 2)
		cluster.Hang(0)
		time.Sleep(5 * time.Second)
		cluster.Resume(0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		events, got := client.Events(), lines.all(t)
		require.Len(t, got, len(events))
		for i, e := range events {
			assert.InDelta(t, float64(e.Number), got[i]["number"], 0)
			assert.Equal(t, "static:///orders", got[i]["target"])
			assert.Equal(t, "healthy_round_robin", got[i]["policy"])
			assert.Equal(t, string(e.To), got[i]["to"])
			reason, _ := got[i]["reason"].(string)
			assert.Equal(t, string(e.Reason), reason)
		}
	})
}

func TestAPlainChannelHasTheLoggerToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		for name, endpoints := range map[string][]cantonlb.Endpoint{"a list in the target": nil, "a list in the config": clientkit.Endpoints(cluster)} {
			lines := new(logLines)
			opts, err := cantonlb.DialOptions(cantonlb.Config{Endpoints: endpoints, Logger: lines.logger(slog.LevelInfo)})
			require.NoError(t, err)
			conn, err := grpc.NewClient(cluster.Target(), append(opts, cluster.DialOptions()...)...)
			require.NoError(t, err)
			_, err = lbtest.ServedBy(t.Context(), conn)
			require.NoError(t, err)
			synctest.Wait()
			got := lines.all(t)
			require.Len(t, got, 5, name)
			assert.Equal(t, cluster.Target(), got[0]["target"])
			require.NoError(t, conn.Close())
		}
	})
}

// withDefaultLog makes lines the program's log for the duration of the test.
func withDefaultLog(t *testing.T, h slog.Handler) {
	t.Helper()
	before := slog.Default()
	slog.SetDefault(slog.New(h))
	t.Cleanup(func() { slog.SetDefault(before) })
}

func TestWithoutALoggerTheProgramsDefaultIsUsed(t *testing.T) {
	lines := new(logLines)
	withDefaultLog(t, lines.logger(slog.LevelInfo).Handler())
	gone := closedPort(t)
	client, err := cantonlb.NewClient(cantonlb.Config{
		Name: "quiet-by-mistake", Role: cantonlb.ParticipantLedger, Endpoints: []cantonlb.Endpoint{{Name: "p1", Address: "http://" + gone}},
	})
	require.NoError(t, err)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].State == cantonlb.StateUnreachable })
	require.NoError(t, client.Close())
	var levels []any
	for _, l := range lines.all(t) {
		if l["target"] == "static:///quiet-by-mistake" && (l["endpoint"] == "p1" || l["to"] == "none_eligible") {
			levels = append(levels, l["level"], l["to"])
		}
	}
	assert.Equal(t, []any{"INFO", "unreachable", "WARN", "none_eligible"}, levels, "a replica that stands by refuses too")
}

func TestALogThatDiscardsReceivesNothing(t *testing.T) {
	lines := new(logLines)
	withDefaultLog(t, lines.logger(slog.LevelInfo).Handler())
	client, err := cantonlb.NewClient(cantonlb.Config{
		Name: "quiet", Logger: slog.New(slog.DiscardHandler), Endpoints: []cantonlb.Endpoint{{Address: "http://" + closedPort(t)}},
	})
	require.NoError(t, err)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].State == cantonlb.StateUnreachable })
	require.NoError(t, client.Close())
	for _, l := range lines.all(t) {
		assert.NotEqual(t, "static:///quiet", l["target"])
	}
}

func TestAPlainChannelWithAPolicyUsesTheProgramsDefaultLog(t *testing.T) {
	lines := new(logLines)
	withDefaultLog(t, lines.logger(slog.LevelWarn).Handler())
	gone := closedPort(t)
	conn, err := grpc.NewClient("static:///"+gone, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"healthy_round_robin":{}}]}`))
	require.NoError(t, err)
	_, err = lbtest.ServedBy(testkit.Context(t), conn)
	require.Error(t, err)
	require.NoError(t, conn.Close())
	found := slices.ContainsFunc(lines.all(t), func(l map[string]any) bool {
		return l["endpoint"] == gone && l["to"] == "unreachable" && l["reason"] == "connect_failed"
	})
	assert.True(t, found, "%v", lines.all(t))
}

func TestANameThatIsNoneIsRefused(t *testing.T) {
	for name, want := range map[string]string{
		"a/b":                   `name "a/b": want at most 64 letters, digits, dots, dashes and underscores`,
		"a b":                   `name "a b": want`,
		"a\nb":                  `name "a\nb": want`,
		strings.Repeat("x", 65): "want at most 64 letters",
	} {
		_, err := cantonlb.NewClient(cantonlb.Config{Name: name, Endpoints: []cantonlb.Endpoint{{Address: "http://a:1"}}})
		assert.ErrorContains(t, err, want)
	}
}

func TestTheTargetIsTheNameOrTheRole(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	for want, cfg := range map[string]cantonlb.Config{
		"static:///seq_1.a-b": {Name: "seq_1.a-b"},
		"static:///sequencer": {Role: cantonlb.Sequencer},
		"static:///endpoints": {},
	} {
		client := clientkit.Connect(t, cluster, cfg, 0)
		assert.Equal(t, want, client.Status().Target)
		assert.Equal(t, want, client.Conn().CanonicalTarget())
	}
}

// attempts records the events that Config.OnAttempt receives.
type attempts struct {
	mu     sync.Mutex
	events []string
	marks  []any
}

func (a *attempts) observe(ctx context.Context, e cantonlb.AttemptEvent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, fmt.Sprintf("%s %s %d at %s (%s): %v", e.Kind, e.Method, e.Number, e.Endpoint, e.Address, e.Code))
	a.marks = append(a.marks, ctx.Value(tagKey{}))
}

func (a *attempts) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.events
	a.events = nil
	return out
}

// tagger is a stats handler that marks the context of each attempt.
type tagger struct{}

type tagKey struct{}

func (tagger) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, tagKey{}, "tagged")
}
func (tagger) HandleRPC(context.Context, stats.RPCStats) {}
func (tagger) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}
func (tagger) HandleConn(context.Context, stats.ConnStats) {}

func TestEachAttemptIsToldWithItsOwnContext(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	var a attempts
	client := clientkit.Connect(t, cluster, cantonlb.Config{OnAttempt: a.observe}, 1, grpc.WithStatsHandler(tagger{}))
	testkit.Spread(t, client, 1)
	at := "server0 (" + cluster.Addrs()[0] + ")"
	got := a.take()
	require.Len(t, got, 2)
	assert.Regexp(t, `^started /lbtest.Echo/Echo 1 at \Q`+at+`\E: OK$`, got[0])
	assert.Regexp(t, `^ended /lbtest.Echo/Echo 1 at \Q`+at+`\E: OK$`, got[1])
	assert.Equal(t, []any{"tagged", "tagged"}, a.marks)
}

func TestOnlyAnInlineObserverHoldsACallUp(t *testing.T) {
	for inline, least := range map[bool]time.Duration{false: 200 * time.Millisecond, true: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
			client := clientkit.Connect(t, cluster, cantonlb.Config{
				OnAttemptInline: inline,
				OnAttempt:       func(context.Context, cantonlb.AttemptEvent) { time.Sleep(time.Second) },
			}, 1)
			start := time.Now()
			testkit.Spread(t, client, 1)
			took := time.Since(start)
			assert.GreaterOrEqual(t, took, least)
			assert.Less(t, took, least+200*time.Millisecond)
			time.Sleep(time.Second) // until the observer has returned
		})
	}
}

func TestAnInlineObserverThatPanicsDoesNotDisturbTheCall(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{
		OnAttemptInline: true, OnAttempt: func(context.Context, cantonlb.AttemptEvent) { panic("on purpose") },
	}, 1)
	testkit.Spread(t, client, 2)
	assert.Zero(t, client.Status().Endpoints[0].Calls.InFlight)
}

func TestARescueIsToldBetweenTheAttemptsAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		var a attempts
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent, OnAttempt: a.observe}, 2)
		cluster.Hang(0)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := lbtest.ServedBy(t.Context(), client)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		var on0 []string
		for _, e := range a.take() {
			kind, rest, _ := strings.Cut(e, " ")
			if strings.Contains(rest, " server0 ") {
				on0 = append(on0, kind)
			}
		}
		assert.Equal(t, []string{"started", "ended", "rescued"}, on0)
		assert.Equal(t, cantonlb.Totals{Rescued: 1, ListsAccepted: 1}, client.Status().Totals)
	})
}

func TestARetryThatTheBudgetDoesNotAllowIsCounted(t *testing.T) {
	for _, c := range []struct {
		budget cantonlb.RetryBudget
		want   cantonlb.Totals
	}{
		{cantonlb.RetryBudget{}, cantonlb.Totals{Retried: 2, ListsAccepted: 1}},
		{cantonlb.RetryBudget{Share: -1, PerSecond: -1}, cantonlb.Totals{RetriesRefused: 1, ListsAccepted: 1}},
	} {
		cluster := lbtest.NewCluster(t, 4, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Idempotent: echoIsIdempotent, RetryBudget: c.budget}, 4)
		for i := range 4 {
			cluster.FailCalls(i, codes.Unavailable, "no")
		}
		_, err := lbtest.ServedBy(testkit.Context(t), client)
		assert.Error(t, err)
		assert.Equal(t, c.want, client.Status().Totals)
	}
}

func TestABadListIsAnEventAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		lines := new(logLines)
		client := clientkit.Connect(t, cluster, cantonlb.Config{Logger: lines.logger(slog.LevelInfo)}, 1)
		assert.Error(t, client.Update([]cantonlb.Endpoint{{Name: "a", Address: "host-without-port"}}))
		synctest.Wait()
		events, log := client.Events(), lines.all(t)
		last := events[len(events)-1]
		assert.Equal(t, cantonlb.EventList, last.Kind)
		assert.Equal(t, cantonlb.State("refused"), last.To)
		assert.Contains(t, last.Detail, "missing port")
		assert.Equal(t, last.Detail, log[len(log)-1]["detail"])
		assert.Equal(t, cantonlb.Totals{ListsAccepted: 1, ListsRefused: 1}, client.Status().Totals)
	})
}

func TestStatusCountsTransitionsAndVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{}, 2)
		for range 3 {
			cluster.SetServing(0, "", false)
			time.Sleep(5 * time.Second)
			cluster.SetServing(0, "", true)
			time.Sleep(5 * time.Second)
		}
		e := endpoint(client.Status(), "server0")
		assert.Contains(t, e.Transitions, cantonlb.TransitionCount{To: cantonlb.StateUnhealthy, Reason: "not_serving", Count: 3})
		assert.Contains(t, e.Transitions, cantonlb.TransitionCount{To: cantonlb.StateHealthy, Reason: "serving", Count: 4})
		var checks uint64
		for _, v := range e.Probe.Verdicts {
			if v.Kind == "grpc_check" {
				checks += v.Count
			}
		}
		assert.Equal(t, e.Probe.Checks, checks)
	})
}
