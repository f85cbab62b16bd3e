package endpointset

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/probes"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/report"
)

func TestAnExplanationNamesEachEndpointAndItsReason(t *testing.T) {
	for text, n := range map[string]*explain.NoEligibleError{
		"no eligible endpoint of 3: seq1 unhealthy (not_serving, 12s), " +
			"seq2 connecting (dial tcp 127.0.0.1:5002: connection refused; next try in 1.2s), " +
			"seq3 unhealthy (probe_timeout, 3.4s)": {Of: 3, Endpoints: []report.IneligibleEndpoint{
			{Name: "seq1", State: "unhealthy", Reason: report.ReasonNotServing, For: 12*time.Second + 345*time.Millisecond},
			{Name: "seq2", State: "connecting", Detail: "dial tcp 127.0.0.1:5002: connection refused", NextTry: 1234 * time.Millisecond},
			{Name: "seq3", State: "unhealthy", Reason: report.ReasonProbeTimeout, For: 3421 * time.Millisecond},
		}},
		"no eligible endpoint of 1: a drained": {Of: 1, Endpoints: []report.IneligibleEndpoint{{Name: "a", State: "drained"}}},
		"no eligible endpoint of 1: a unhealthy (unknown_service, 250ms: no health service named \"x\")": {Of: 1, Endpoints: []report.IneligibleEndpoint{
			{Name: "a", State: "unhealthy", Reason: report.ReasonUnknownService, For: 250 * time.Millisecond, Detail: `no health service named "x"`},
		}},
		"no eligible endpoint of 1: a connecting; the resolver: bad": {Of: 1, Resolver: "bad", Endpoints: []report.IneligibleEndpoint{{Name: "a", State: "connecting"}}},
		"no eligible endpoint of 9: a unknown and 8 more":            {Of: 9, More: 8, Endpoints: []report.IneligibleEndpoint{{Name: "a", State: "unknown"}}},
		"no eligible endpoint of 0: the list is empty":               {},
	} {
		assert.EqualError(t, n, text)
	}
}

func TestTheExplanationOfEachState(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("seq1", "seq2", "seq3", "seq4", "seq5"))
		assert.Equal(t, "no eligible endpoint of 5: seq1 connecting, seq2 connecting, seq3 connecting, seq4 connecting, seq5 connecting",
			f.set.explain().Error())
		f.up("seq1", "seq3")
		refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5002}, Err: syscall.ECONNREFUSED}
		f.down(fmt.Errorf("connection error: desc = transport: %w", refused), "seq2")
		require.NoError(t, f.set.SetDrained("seq4", true))
		f.server("seq5").set(failing(codes.PermissionDenied, "no"))
		f.up("seq5")
		f.server("seq1").set(notServing())
		f.server("seq3").set(hanging())
		time.Sleep(3 * time.Second)
		f.awaitTry("seq2")
		f.down(refused, "seq2")
		got := f.set.explain()
		assert.Equal(t, 5, got.Of)
		require.Len(t, got.Endpoints, 5)
		assert.Regexp(t, `^no eligible endpoint of 5: seq1 unhealthy \(not_serving, \d+(\.\d)?s\), `+
			`seq2 unreachable \(dial tcp 127\.0\.0\.1:5002: connection refused; next try in \d+(\.\d)?m?s\), `+
			`seq3 unhealthy \(probe_timeout, \d+(\.\d)?s: no answer within 300ms\), seq4 drained, `+
			`seq5 unhealthy \(probe_denied, \d+(\.\d)?s: PERMISSION_DENIED: no\)$`, got.Error())
		assert.Equal(t, got.Error(), f.refusal())
	})
}

// Only those that are not eligible are named and counted.
func TestTheExplanationLeavesOutTheEligible(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		f.up("a", "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		have, err := f.set.WaitEligible(ctx, 3)
		assert.Equal(t, 2, have)
		assert.EqualError(t, err, "2 of 3 endpoints are eligible, want 3: c connecting: context deadline exceeded")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestTheExplanationOfALongListIsBoundedAndClean(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		nasty := strings.Repeat("\x00\x1b[31m\r\n\u202e", 1000)
		var addrs []string
		for i := range 1000 {
			addrs = append(addrs, fmt.Sprintf("%d%s", i, nasty))
		}
		require.NoError(t, f.push(addrs...))
		for _, sc := range f.all() {
			sc.become(connectivity.TransientFailure, errors.New(nasty))
		}
		f.resolverError(errors.New(nasty))
		text := f.refusal()
		assert.Less(t, len(text), 5000)
		assert.Contains(t, text, "no eligible endpoint of 1000: 0?")
		assert.Contains(t, text, " and 992 more; the resolver: ")
		assert.NotContains(t, text, "\u202e")
		assert.False(t, strings.ContainsFunc(text, unicode.IsControl), "%q", text)
		assert.Len(t, f.set.explain().Endpoints, maxExplained)
		got := f.set.Status().Endpoints[0]
		assert.False(t, strings.ContainsFunc(got.ConnectionError+f.status(addrs[0]).Detail, unicode.IsControl))
	})
}

func TestWaitEligible(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		have, err := f.set.WaitEligible(ctx, 0)
		assert.NoError(t, err)
		assert.Zero(t, have)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = f.set.WaitEligible(short, 1)
		assert.EqualError(t, err, "0 of 0 endpoints are eligible, want 1: the list is empty: context deadline exceeded")

		require.NoError(t, f.push("a", "b"))
		_, err = f.set.WaitEligible(ctx, 3)
		assert.EqualError(t, err, "cannot wait for 3 healthy endpoints: the list has 2")
		type result struct {
			have int
			err  error
		}
		done := make(chan result, 1)
		go func() {
			have, err := f.set.WaitEligible(ctx, 2)
			done <- result{have, err}
		}()
		f.up("a")
		assert.Empty(t, done)
		f.up("b")
		assert.Equal(t, result{have: 2}, <-done)
	})
}

// Who has waited for an endpoint may call it: the snapshot is published before
// the wait is over, even while the flusher rests.
func TestAfterWaitEligibleAndSetDrainedTheSnapshotIsUpToDate(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a")
		pick := func() string {
			r, err := f.last().Picker.Pick(pickInfo())
			require.NoError(t, err)
			r.Done(balancer.DoneInfo{})
			return r.SubConn.(*fakeSubConn).address.Addr
		}
		f.set.scope.Lock()
		f.set.pub.Hold(true) // no snapshot is published
		f.set.scope.Unlock()
		f.conn("b").become(connectivity.Ready, nil)
		_, err := f.set.WaitEligible(t.Context(), 2)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"a", "b"}, []string{pick(), pick()})
		require.NoError(t, f.set.SetDrained("a", true))
		assert.Equal(t, []string{"b", "b"}, []string{pick(), pick()})
		f.down(errRefused, "b")
		require.NoError(t, f.set.SetDrained("a", false))
		assert.Equal(t, "a", pick())
	})
}

func TestWaitEligibleEndsWhenTheListBecomesTooShort(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b"))
		f.up("a")
		f.down(errRefused, "b")
		done := make(chan error, 1)
		go func() {
			_, err := f.set.WaitEligible(t.Context(), 2)
			done <- err
		}()
		synctest.Wait()
		require.Empty(t, done)
		require.NoError(t, f.push("a"))
		synctest.Wait()
		require.Len(t, done, 1)
		assert.EqualError(t, <-done, "cannot wait for 2 healthy endpoints: the list has 1")
	})
}

func TestWaitEligibleEndsWithClose(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		done := make(chan error, 1)
		go func() {
			_, err := f.set.WaitEligible(context.Background(), 1)
			done <- err
		}()
		synctest.Wait()
		f.close()
		assert.ErrorIs(t, <-done, ErrClosed)
	})
}

func TestStatusShowsEachEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a", "b", "c"))
		start := time.Now()
		got := f.set.Status()
		assert.Equal(t, "test_policy", got.Policy)
		assert.Equal(t, connectivity.Connecting, got.Endpoints[0].Connection)
		assert.Equal(t, `gRPC service "" on the calls' own connection`, got.Endpoints[0].Probe.Target)
		assert.Equal(t, start, got.Endpoints[0].Since)
		time.Sleep(time.Second)
		f.up("a")
		f.down(errRefused, "b")
		a, b := f.status("a"), f.status("b")
		assert.Equal(t, connectivity.Ready, a.Connection)
		assert.Equal(t, report.Healthy, a.Health)
		assert.Equal(t, report.ReasonServing, a.Reason)
		assert.True(t, a.Eligible)
		assert.True(t, a.Probe.On)
		assert.Equal(t, start.Add(time.Second), a.Since)
		assert.Equal(t, report.WatchAlive, a.Probe.Watch)
		assert.Equal(t, report.KindGRPCWatch, a.Probe.Kind)
		assert.Empty(t, a.ConnectionError)
		assert.Equal(t, connectivity.TransientFailure, b.Connection)
		assert.Equal(t, "connection refused", b.ConnectionError)
		assert.False(t, b.Eligible)
		assert.True(t, b.NextTry.After(time.Now()))
		assert.Empty(t, f.set.Status().Notes)
	})
}

func TestStatusSaysWhatIsProbed(t *testing.T) {
	for want, change := range map[string]func(*settings.Config){
		"connectivity only":                                  withoutChecks,
		"HTTP GET http://a:8080/health":                      func(c *settings.Config) { c.HealthCheck.HTTP = "http://{host}:8080/health" },
		`gRPC service "x" on port 5000`:                      func(c *settings.Config) { c.HealthCheck.Service, c.HealthCheck.GRPCPort = "x", 5000 },
		`gRPC service "orders" on the calls' own connection`: func(c *settings.Config) { c.HealthCheck.Service = "orders" },
	} {
		cfg := settings.DefaultConfig()
		change(&cfg)
		e := &endpoint{asked: asked{healthCheck: cfg.HealthCheck}, want: wanted.Endpoint{Addrs: []grpcresolver.Address{{Addr: "a"}}}}
		e.target, e.service = probes.NewTarget(e.want, cfg.HealthCheck)
		assert.Equal(t, want, e.targetText())
		assert.Equal(t, connectivity.Shutdown, link.Connectivity(machine.Closed))
	}
}

func TestDurationsAreSaidAsAPersonWould(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Millisecond: "1ms", 999_600 * time.Microsecond: "1s", 1234 * time.Millisecond: "1.2s",
		9970 * time.Millisecond: "10s", 12_345 * time.Millisecond: "12s", 3*time.Minute + 400*time.Millisecond: "3m0s",
	} {
		assert.Equal(t, want, explain.Roughly(d))
	}
}
