package cantonlb_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}

func TestEachEndpointCanTellItsHealthElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	for name, c := range map[string]struct {
		opts   []lbtest.Option
		health func(s *lbtest.Server) cantonlb.HealthTarget
		kind   string // how it begins
		target func(s *lbtest.Server) string
	}{
		"at another port by gRPC": {
			[]lbtest.Option{lbtest.WithHealthPort(), lbtest.WithTLS()},
			func(s *lbtest.Server) cantonlb.HealthTarget { return cantonlb.HealthTarget{GRPCPort: 2} },
			"grpc_",
			func(*lbtest.Server) string { return `gRPC service "" on port 2` },
		},
		"at an address of its own": {
			[]lbtest.Option{lbtest.WithHealthPort()},
			func(s *lbtest.Server) cantonlb.HealthTarget {
				return cantonlb.HealthTarget{GRPCAddress: "http://" + s.HealthAddr()}
			},
			"grpc_",
			func(s *lbtest.Server) string { return `gRPC service "" at ` + s.HealthAddr() },
		},
		"over HTTP": {
			[]lbtest.Option{lbtest.WithHealthPage()},
			func(s *lbtest.Server) cantonlb.HealthTarget {
				return cantonlb.HealthTarget{HTTP: s.HealthPageURL() + "?x"}
			},
			"http",
			func(s *lbtest.Server) string { return "HTTP GET " + s.HealthPageURL() },
		},
		"over HTTPS with its own authority": {
			[]lbtest.Option{lbtest.WithHealthPage(), lbtest.WithTLS()},
			func(s *lbtest.Server) cantonlb.HealthTarget {
				return cantonlb.HealthTarget{HTTP: s.HealthPageURL(), TLS: cantonlb.TLS{RootCAPEM: s.CA().PEM()}}
			},
			"http",
			func(s *lbtest.Server) string { return "HTTP GET " + s.HealthPageURL() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, c.opts...)
			list := deployed(cluster)
			s := cluster.Server(1)
			list[1].Health = c.health(s)
			client := clientkit.Connect(t, cluster, cantonlb.Config{
				Endpoints: list, HealthCheck: healthcheck.Config{Interval: 100 * time.Millisecond},
			}, 2)
			shown := endpoint(client.Status(), "server1").Probe
			assert.True(t, strings.HasPrefix(string(shown.Kind), c.kind), shown.Kind)
			assert.Equal(t, c.target(s), shown.Target)
			assert.Equal(t, `gRPC service "" on the calls' own connection`, endpoint(client.Status(), "server0").Probe.Target)

			s.SetServing("", false)
			st := clientkit.Await(t, client, func(s cantonlb.Status) bool { return !endpoint(s, "server1").Eligible })
			assert.Equal(t, report.ReasonNotServing, endpoint(st, "server1").Reason)
			assert.Equal(t, map[string]int{"server0": 3}, testkit.Spread(t, client, 3))
			s.SetServing("", true)
			require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
			s.Hang()
			st = clientkit.Await(t, client, func(s cantonlb.Status) bool { return !endpoint(s, "server1").Eligible })
			assert.Equal(t, report.ReasonProbeTimeout, endpoint(st, "server1").Reason)
		})
	}
}

func TestATCPTargetTellsOnlyThatSomebodyListens(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithHealthPort())
	list := deployed(cluster)
	list[0].Health.TCP = "{host}:" + portOf(t, cluster.Server(0).HealthAddr())
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 1)
	assert.Equal(t, "TCP connect to "+cluster.Server(0).HealthAddr(), client.Status().Endpoints[0].Probe.Target)
	cluster.SetServing(0, "", false)
	require.NoError(t, call(testkit.Context(t), client))
	cluster.Kill(0)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 })
}

func TestAHealthTargetThatIsNotTrustedIsExplained(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithHealthPort(), lbtest.WithHealthPage())
	list := deployed(cluster)
	wrong := cantonlb.TLS{RootCAPEM: lbtest.NewCA(t, "x").PEM()}
	list[0].Health = cantonlb.HealthTarget{GRPCPort: 2, TLS: wrong}
	list[1].Health = cantonlb.HealthTarget{HTTP: cluster.Server(1).HealthPageURL(), TLS: wrong}
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 0)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool {
		return s.Endpoints[0].State == cantonlb.StateUnreachable && s.Endpoints[1].State == cantonlb.StateUnreachable
	})
	for _, e := range s.Endpoints {
		assert.Equal(t, report.ReasonConnectFailed, e.Reason)
		assert.Contains(t, e.Detail, "certificate signed by unknown authority")
	}
}

// The state is the same word whichever of the two ports does not listen.
func TestAnEndpointIsUnreachableWhicheverPortRefuses(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithHealthPort(), lbtest.OnTCP())
	list := deployed(cluster)
	for i := range list {
		list[i].Health.GRPCAddress = cluster.Server(i).HealthAddr()
	}
	list[0].Address = closedPort(t)
	list[1].Health.GRPCAddress = closedPort(t)
	list[2].Address, list[2].Health.GRPCAddress = closedPort(t), closedPort(t)
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 0)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool {
		return !slices.ContainsFunc(s.Endpoints, func(e cantonlb.EndpointStatus) bool { return e.State != cantonlb.StateUnreachable })
	})
	for _, e := range s.Endpoints {
		assert.Equal(t, report.ReasonConnectFailed, e.Reason)
		assert.Contains(t, e.Detail, "connect: connection refused")
	}
}

// closedPort returns an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestAWrongServiceNameOfOneEndpointIsReportedWithTheName(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithHealthServices("right"))
	list := deployed(cluster)
	list[1].Health.Service = "wrong"
	list[2].Health.Service = cantonlb.WholeServer
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list, HealthCheck: healthcheck.Config{Service: "right"}}, 2)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server1").State == cantonlb.StateUnhealthy })
	assert.Equal(t, report.ReasonUnknownService, endpoint(s, "server1").Reason)
	assert.Equal(t, `no health service named "wrong": see the role and healthCheck.service`, endpoint(s, "server1").Detail)
	assert.Contains(t, endpoint(s, "server2").Probe.Target, `service ""`)
}

func TestTheTokenGoesToAHealthTargetOnlyIfAskedTo(t *testing.T) {
	for _, send := range []bool{false, true} {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithHealthPort(), lbtest.WithHealthPage())
		list := deployed(cluster)
		for i := range list {
			list[i].Token = secret("token-of-" + list[i].Name)
		}
		// Each one's target is at the other, since its own server gets the token with its calls.
		list[0].Health = cantonlb.HealthTarget{GRPCAddress: "https://" + cluster.Server(1).HealthAddr(), SendToken: send}
		list[1].Health = cantonlb.HealthTarget{HTTP: cluster.Server(0).HealthPageURL(), SendToken: send}
		for i := range list {
			list[i].Health.TLS.RootCAPEM = cluster.Server(1 - i).CA().PEM()
		}
		clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 2)
		for i := range list {
			assert.Equal(t, send, slices.Contains(cluster.Server(1-i).TokensSeen(), "token-of-"+list[i].Name))
		}
	}
}

func TestARoleWithHealthElsewhereTakesItFromEachEndpoint(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithHealthPort(), lbtest.WithHealthServices("mediator"))
	list := deployed(cluster)
	list[0].Health.GRPCAddress = "http://{host}:2"
	client := clientkit.Connect(t, cluster, cantonlb.Config{Role: cantonlb.Mediator, Endpoints: list}, 1)
	assert.Equal(t, `gRPC service "mediator" at server0.lbtest:2`, client.Status().Endpoints[0].Probe.Target)
	err := client.Update(append(list, cantonlb.Endpoint{Address: "http://server1.lbtest:1"}))
	require.ErrorContains(t, err, `role "mediator" serves its health on a separate port`)
	assert.Len(t, client.Status().Endpoints, 1)
}
