package probes

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/credentials/insecure"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/internal/wanted"
	"github.com/cantonlb/cantonlb/report"
	"github.com/cantonlb/cantonlb/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func plaintext() Maker {
	return Maker{Build: transport.NewBuilder(balancer.BuildOptions{CredsBundle: insecure.NewBundle()})}
}

func TestProbesElsewhereAskTheEndpointsHost(t *testing.T) {
	http := healthcheck.Config{HTTP: "http://{host}:8080/health"}
	port := healthcheck.Config{Service: "mediator", GRPCPort: 5000}
	for _, c := range []struct {
		address string
		config  healthcheck.Config
		target  string
	}{
		{"10.0.0.1:5001", http, "http GET http://10.0.0.1:8080/health"},
		{"[fe80::1%eth0]:5001", http, "http GET http://[fe80::1%25eth0]:8080/health"},
		{"seq1:5001", http, "http GET http://seq1:8080/health"},
		{"no-port", http, "http GET http://no-port:8080/health"},
		{"10.0.0.1:5001", port, `grpc service "mediator" at 10.0.0.1:5000`},
		{"[::1]:5001", port, `grpc service "mediator" at [::1]:5000`},
	} {
		maker := plaintext()
		var target *Target
		target, maker.Service = NewTarget(wanted.Endpoint{
			Name: c.address, Addrs: []grpcresolver.Address{{Addr: c.address, ServerName: "x"}},
		}, c.config)
		made := maker.Elsewhere(target)
		assert.Equal(t, c.target, made.Check.(*firstLookUp).Prober.(healthcheck.Probe).Target())
		assert.Equal(t, c.config.GRPCPort != 0, made.Watch != nil, "a health service can be watched")
		assert.NoError(t, made.Close())
	}
}

func TestProbesNameTheirKind(t *testing.T) {
	check := healthcheck.GRPCCheck(nil, "", healthcheck.GRPCOptions{Target: "a:1"})
	assert.Equal(t, check.Kind(), Alive{Check: check}.Kind())
}

// A probe that cannot be made is a failure with its reason, not a silence.
func TestAProbeThatCannotBeMadeFails(t *testing.T) {
	v := plaintext().OwnChannel(resolver.Endpoint{}, netip.Addr{}, nil).Check.Probe(t.Context())
	assert.Equal(t, report.Failed, v.Outcome)
	assert.Equal(t, report.ReasonConnectFailed, v.Reason)
	assert.NotEmpty(t, v.Detail)
}

func TestAProbeDuringTheFirstLookUpOfItsTargetSaysNothing(t *testing.T) {
	verdict := checking.NewVerdict(report.Failed, report.ReasonProbeTimeout, "")
	look := new(firstLookUp)
	look.Prober = healthcheck.Func("a", func(context.Context) report.Verdict { return verdict })
	probed := func() report.Outcome { return look.Probe(t.Context()).Outcome }
	look.progress.Enter(report.PhaseLookup)
	assert.Equal(t, report.Inconclusive, probed())
	look.progress.Enter(report.PhaseTCP)
	assert.Equal(t, report.Failed, probed(), "the name is known")
	look.progress.Enter(report.PhaseLookup)
	assert.Equal(t, report.Failed, probed(), "it has failed before")
	assert.NoError(t, look.Close())
}
