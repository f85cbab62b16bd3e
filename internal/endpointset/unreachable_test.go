package endpointset

import (
	"crypto/x509"
	"log/slog"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/report"
)

// changesOf returns the changes of an endpoint's state so far.
func (f *fixture) changesOf(name string) []string {
	var out []string
	for _, e := range f.set.teller.Events() {
		if e.Endpoint == name && e.Kind == report.EventEndpoint {
			e.Held = 0
			out = append(out, e.String())
		}
	}
	return out
}

func TestAnEndpointWhoseAttemptsFailIsUnreachableUntilOneSucceeds(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("a"))
		assert.Equal(t, report.StateConnecting, f.status("a").State)
		f.down(errRefused, "a")
		assert.Equal(t, report.StateUnreachable, f.status("a").State)
		f.awaitTry("a")
		assert.Equal(t, report.StateUnreachable, f.status("a").State, "while the next attempt is under way")
		f.down(errRefused, "a")
		f.awaitTry("a")
		f.down(&transport.HandshakeError{Err: x509.UnknownAuthorityError{}}, "a")
		f.awaitTry("a")
		f.up("a")
		f.down(errRefused, "a") // the connection is lost
		assert.Equal(t, report.StateConnecting, f.status("a").State)
		f.down(errRefused, "a")
		assert.Equal(t, []string{
			`endpoint "a": connecting`,
			`endpoint "a": connecting -> unreachable (connect_failed: connection refused)`,
			`endpoint "a": still unreachable (handshake_failed: handshake failed: x509: certificate signed by unknown authority; ` +
				`its authority is not among the roots: see tls.rootCAFile)`,
			`endpoint "a": unreachable -> unknown`,
			`endpoint "a": unknown -> healthy (serving)`,
			`endpoint "a": healthy -> connecting (connection_lost: connection refused)`,
			`endpoint "a": connecting -> unreachable (connect_failed: connection refused)`,
		}, f.changesOf("a"))
	})
}

// pushStandbys gives the set a list of nodes whose standbys refuse connections.
func (f *fixture) pushStandbys(refuse bool, addrs ...string) {
	key, value := (&Options{StandbyRefuses: refuse}).Attribute()
	f.deliver(func() {
		require.NoError(f.t, f.set.UpdateClientConnState(balancer.ClientConnState{
			ResolverState:  grpcresolver.State{Endpoints: endpointsOf(addrs...), Attributes: attributes.New(key, value)},
			BalancerConfig: &f.cfg,
		}))
	})
}

// worst returns the highest level of the lines about an endpoint.
func (f *fixture) worst(name string) slog.Level {
	worst := slog.LevelDebug
	for _, e := range f.set.teller.Events() {
		if e.Endpoint == name {
			worst = max(worst, telling.Level(e))
		}
	}
	return worst
}

func TestAStandbyThatRefusesIsNormalWhereTheRoleSaysSo(t *testing.T) {
	for _, normal := range []bool{true, false} {
		inBubble(t, func(t *testing.T, f *fixture) {
			f.pushStandbys(normal, "a", "b", "c")
			f.down(syscall.ECONNREFUSED, "b")
			f.down(assert.AnError, "c")
			assert.False(t, f.status("b").Passive, "no endpoint is active")
			f.up("a")
			assert.Equal(t, normal, f.status("b").Passive)
			assert.False(t, f.status("c").Passive, "it does not refuse")
			assert.Equal(t, slog.LevelWarn, f.worst("c"))
			if normal {
				assert.Equal(t, slog.LevelInfo, f.worst("b"))
			} else {
				assert.Equal(t, slog.LevelWarn, f.worst("b"))
			}
			f.down(syscall.ECONNREFUSED, "a")
			f.down(syscall.ECONNREFUSED, "a")
			assert.Equal(t, slog.LevelWarn, f.worst("a"), "it was the active endpoint")
			assert.False(t, f.status("b").Passive)
		}, activePassive)
	}
}

func TestAStandbyThatReportsThatItDoesNotServeIsNormal(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.server("b").set(notServing())
		f.pushStandbys(false, "a", "b")
		f.up("a", "b")
		assert.True(t, f.status("b").Passive)
		assert.Equal(t, slog.LevelInfo, f.worst("b"))
		f.server("a").set(notServing())
		f.state() // waits
		assert.Equal(t, slog.LevelWarn, f.worst("a"))
		assert.False(t, f.status("a").Passive)
	}, activePassive)
}
