package oteltrace_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	experimental "google.golang.org/grpc/experimental/opentelemetry"
	"google.golang.org/grpc/stats/opentelemetry"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/oteltrace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder keeps the spans that have ended.
type recorder struct {
	*sdk.TracerProvider

	spans *tracetest.SpanRecorder
}

func newRecorder() recorder {
	spans := tracetest.NewSpanRecorder()
	return recorder{sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)), spans}
}

// named returns the spans whose name begins with this prefix, with their content as
// text. Some releases of grpc omit the method from the name of an attempt.
func (r recorder) named(name string) []span {
	var out []span
	for _, s := range r.spans.Ended() {
		if !strings.HasPrefix(s.Name(), name) {
			continue
		}
		one := span{attributes: texts(s.Attributes())}
		for _, e := range s.Events() {
			if len(e.Name) > 9 && e.Name[:9] == "cantonlb." {
				one.events = append(one.events, fmt.Sprint(e.Name, " ", texts(e.Attributes)))
			}
		}
		out = append(out, one)
	}
	return out
}

type span struct {
	attributes map[string]string
	events     []string
}

func texts(attributes []attribute.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range attributes {
		out[string(kv.Key)] = fmt.Sprint(kv.Value.AsInterface())
	}
	return out
}

func connect(t *testing.T, c *lbtest.Cluster, cfg cantonlb.Config, opts ...grpc.DialOption) *cantonlb.Client {
	t.Helper()
	for i, name := range c.Names() {
		cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Name: name, Address: c.Addrs()[i]})
	}
	cfg.OnAttempt = oteltrace.OnAttempt
	client, err := cantonlb.NewClient(cfg, append(c.DialOptions(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	require.NoError(t, client.WaitHealthy(t.Context(), len(cfg.Endpoints)))
	return client
}

func idempotent(string) bool { return true }

func TestTheSpanOfACallSaysWhereItWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := connect(t, cluster, cantonlb.Config{})
		r := newRecorder()
		ctx, s := r.Tracer("test").Start(t.Context(), "work")
		_, err := lbtest.ServedBy(ctx, client)
		require.NoError(t, err)
		s.End()
		assert.Equal(t, []span{{
			attributes: map[string]string{
				"rpc.system.name": "grpc", "rpc.method": "lbtest.Echo/Echo",
				"server.address": "server0.lbtest", "server.port": "1",
				"cantonlb.endpoint": "server0", "cantonlb.attempt": "1",
			},
		}}, r.named("work"))
	})
}

// With a stats handler each attempt has its own span, and a rescue is recorded on that
// of the call.
func TestARescueIsSeenInTheTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		r := newRecorder()
		client := connect(t, cluster, cantonlb.Config{IdempotentFunc: idempotent}, opentelemetry.DialOption(opentelemetry.Options{
			TraceOptions: experimental.TraceOptions{TracerProvider: r, TextMapPropagator: propagation.TraceContext{}},
		}))
		cluster.Hang(0)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := lbtest.ServedBy(t.Context(), client)
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		const where = "map[cantonlb.attempt:1 cantonlb.endpoint:server0 server.address:server0.lbtest server.port:1]"
		var rescues []string
		for _, s := range r.named("Sent.lbtest.Echo.Echo") {
			rescues = append(rescues, s.events...)
		}
		assert.Equal(t, []string{"cantonlb.rescue " + where}, rescues)

		attempts := slices.DeleteFunc(r.named("Attempt."), func(s span) bool {
			return s.attributes["cantonlb.endpoint"] == "" // a probe
		})
		assert.Len(t, attempts, 3)
		byEndpoint := map[string]int{}
		for _, s := range attempts {
			byEndpoint[s.attributes["cantonlb.endpoint"]+" "+s.attributes["cantonlb.attempt"]]++
			switch {
			case s.attributes["cantonlb.endpoint"] == "server0":
				require.Len(t, s.events, 1)
				assert.Contains(t, s.events[0], "cantonlb.attempt.failed map[cantonlb.attempt:1 cantonlb.endpoint:server0 rpc.response.status_code:CANCELLED")
			case s.attributes["cantonlb.attempt"] == "2":
				assert.Equal(t, []string{"cantonlb.attempt " + strings.NewReplacer("attempt:1", "attempt:2", "server0", "server1").Replace(where)}, s.events)
			default:
				assert.Empty(t, s.events)
			}
		}
		assert.Equal(t, map[string]int{"server0 1": 1, "server1 1": 1, "server1 2": 1}, byEndpoint)
	})
}

func TestAnAddressMayBeOfAnyKind(t *testing.T) {
	for address, want := range map[string]map[string]string{
		"[::1]:5001":    {"server.address": "::1", "server.port": "5001"},
		"host:http":     {"server.address": "host"},
		"/run/a.socket": {"server.address": "/run/a.socket"},
	} {
		r := newRecorder()
		ctx, s := r.Tracer("test").Start(t.Context(), "work")
		oteltrace.OnAttempt(ctx, cantonlb.AttemptEvent{Kind: cantonlb.AttemptStarted, Address: address, Number: 1})
		s.End()
		got := r.named("work")[0].attributes
		for _, key := range []string{"server.address", "server.port"} {
			assert.Equal(t, want[key], got[key], address)
		}
	}
}

func TestWhatIsNotRecordedCostsNothing(t *testing.T) {
	e := cantonlb.AttemptEvent{Kind: cantonlb.AttemptEnded, Endpoint: "a", Address: "h:1", Number: 1, Code: codes.Unavailable}
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(100, func() { oteltrace.OnAttempt(ctx, e) }))
}

func BenchmarkOnAttempt(b *testing.B) {
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(tracetest.NewSpanRecorder()))
	started := cantonlb.AttemptEvent{
		Kind: cantonlb.AttemptStarted, Method: "/pkg.Service/Method", Endpoint: "seq1", Address: "seq1.example.com:5001", Number: 1,
	}
	ctx, span := provider.Tracer("bench").Start(b.Context(), "call")
	defer span.End()
	b.ReportAllocs()
	for b.Loop() {
		oteltrace.OnAttempt(ctx, started)
	}
}
