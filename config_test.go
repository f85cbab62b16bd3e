package cantonlb_test

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

func TestEveryFaultOfAConfigIsReportedAtOnce(t *testing.T) {
	bad := cantonlb.Config{
		Name: "a b", Role: "king", Policy: "fastest",
		Endpoints:         []cantonlb.Endpoint{{Name: "x", Address: "seq1"}, {Name: "y", Address: "http://a:1", Weight: 200, Priority: -1}},
		HealthCheck:       healthcheck.Config{Interval: -time.Second, Fall: -1},
		Ejection:          cantonlb.Ejection{ConsecutiveFailures: -1, BaseTime: -1, MaxTime: 48 * time.Hour},
		NoneEligible:      "panic",
		Handover:          "later",
		DeadAfter:         -1,
		Zone:              " eu",
		SpillBelow:        2,
		ReresolveInterval: time.Millisecond,
		Idempotent:        []string{"/a/b", "Get", "Put"},
		MaxAttempts:       101,
		RetryBudget:       cantonlb.RetryBudget{Share: 2, PerSecond: math.Inf(1)},
		ServiceConfig:     `{"metodConfig": []}`,
	}
	want := []string{
		"role", "endpoints[0].address", "endpoints[1].weight", "endpoints[1].priority", "name", "policy",
		"healthCheck.interval", "healthCheck.fall", "ejection.consecutiveFailures", "ejection.baseTime", "ejection.maxTime",
		"deadAfter", "zone", "spillBelow", "noneEligible", "handover", "serviceConfig.metodConfig", "reresolveInterval",
		"idempotent[1]", "idempotent[2]",
	}
	fields := func(err error) []string {
		var found []string
		for _, e := range configerr.All(err) {
			found = append(found, e.Field)
		}
		return found
	}
	assert.Equal(t, want, fields(bad.Check()))
	assert.ErrorContains(t, bad.Check(), "\nand 3 more", "of the attempts and the retry budget")
	_, err := cantonlb.NewClient(bad)
	assert.Equal(t, want, fields(err))
	_, err = cantonlb.DialOptions(bad)
	assert.Equal(t, want, fields(err))

	empty := cantonlb.Config{Policy: cantonlb.ActivePassive, Role: cantonlb.Mediator, Failover: cantonlb.Failover{HoldDown: -1, Drain: -1, FailBack: "x"}}
	assert.Equal(t, []string{"endpoints", "healthCheck.grpcPort", "failover.holdDown", "failover.drain", "failover.failBack"}, fields(empty.Check()))
	good := cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "http://a:1"}}}
	assert.NoError(t, good.Check())
}

func TestNewClientRefusesABadConfigAndSaysWhatWouldBeRight(t *testing.T) {
	list := []cantonlb.Endpoint{{Address: "127.0.0.1:1"}}
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	many := make([]cantonlb.Endpoint, 100_000)
	for i := range many {
		many[i].Address = fmt.Sprintf("h%d:1", i)
	}
	for name, c := range map[string]struct {
		cfg  cantonlb.Config
		opts []grpc.DialOption
		want string
	}{
		"no endpoints":        {cantonlb.Config{}, nil, `endpoints: empty list; want at least one endpoint`},
		"no port":             {cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "seq1"}}}, nil, `endpoints[0].address "seq1": missing port`},
		"a port out of range": {cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "seq1:65536"}}}, nil, `endpoints[0].address "seq1:65536": `},
		"too many endpoints":  {cantonlb.Config{Endpoints: many}, nil, `10000`},
		"an unknown role":     {cantonlb.Config{Endpoints: list, Role: "king"}, nil, `role "king": want "" or "domain_manager" or`},
		"a role without its health port": {cantonlb.Config{Endpoints: list, Role: cantonlb.Mediator}, nil,
			`healthCheck.grpcPort 0: want the port of monitoring.grpc-health-server in grpcPort, or `},
		"a negative interval": {cantonlb.Config{Endpoints: list, HealthCheck: healthcheck.Config{Interval: -time.Second}}, nil,
			`healthCheck.interval "-1s": want a duration above zero`},
		"a timeout above the interval": {cantonlb.Config{
			Endpoints:   list,
			HealthCheck: healthcheck.Config{Interval: time.Second, Timeout: 2 * time.Second},
		}, nil, `healthCheck.timeout "2s": want `},
		"a negative fall":     {cantonlb.Config{Endpoints: list, HealthCheck: healthcheck.Config{Fall: -1}}, nil, `healthCheck.fall -1: want `},
		"a negative ejection": {cantonlb.Config{Endpoints: list, Ejection: cantonlb.Ejection{BaseTime: -1}}, nil, `ejection.baseTime "-1ns": want `},
		"a base above the maximum": {cantonlb.Config{
			Endpoints: list, Ejection: cantonlb.Ejection{BaseTime: time.Minute, MaxTime: time.Second},
		}, nil, `ejection.baseTime "1m0s": want a duration not above maxTime "1s"`},
		"a negative number of failures": {cantonlb.Config{
			Endpoints: list, Ejection: cantonlb.Ejection{ConsecutiveFailures: -1},
		}, nil, `ejection.consecutiveFailures -1: want a whole number from 1 to`},
		"a negative deadAfter":          {cantonlb.Config{Endpoints: list, DeadAfter: -1}, nil, `deadAfter "-1ns": want `},
		"an unknown policy":             {cantonlb.Config{Endpoints: list, NoneEligible: "panic"}, nil, `noneEligible "panic": want "failFast" or "wait" or "failOpen"`},
		"a service config that is none": {cantonlb.Config{Endpoints: list, ServiceConfig: `[]`}, nil, `serviceConfig`},
		"load balancing in the service config": {cantonlb.Config{
			Endpoints: list, ServiceConfig: `{"loadBalancingConfig":[{"round_robin":{}}]}`,
		}, nil, `serviceConfig.loadBalancingConfig: want no load balancing: it is set by the other fields of Config`},
		"an unknown key in the service config": {cantonlb.Config{Endpoints: list, ServiceConfig: `{"metodConfig":[]}`}, nil, `serviceConfig.metodConfig`},
		"a methodConfig that grpc refuses": {cantonlb.Config{
			Endpoints: list, ServiceConfig: `{"methodConfig":[{"name":[{}],"timeout":"soon"}]}`,
		}, []grpc.DialOption{plain}, `soon`},
		"a service config among the dial options": {cantonlb.Config{Endpoints: list},
			[]grpc.DialOption{plain, grpc.WithDefaultServiceConfig(`{}`)},
			`want the service config in Config.ServiceConfig`},
		"no credentials": {cantonlb.Config{Endpoints: list}, nil,
			`endpoints[0].address "127.0.0.1:1": does not say whether the connection is to be TLS or plaintext; want https:// or http:// before it`},
		"https over plaintext": {cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "https://127.0.0.1:1"}}},
			[]grpc.DialOption{plain}, `https://127.0.0.1:1`},
		"http over TLS": {cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "http://127.0.0.1:1"}}},
			[]grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(nil))}, `http://127.0.0.1:1`},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := cantonlb.NewClient(c.cfg, c.opts...)
			if !assert.ErrorContains(t, err, c.want) {
				t.Log(err)
			}
			assert.Nil(t, client)
			assert.Less(t, len(fmt.Sprint(err)), 2000)
		})
	}
}

func TestURLsChooseTheCredentials(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP())
	client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "http://" + cluster.Addrs()[0]}}})
	require.NoError(t, err)
	defer client.Close()
	assert.Equal(t, map[string]int{"server0": 3}, testkit.Spread(t, client, 3))

	secure, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Name: "seq1", Address: "https://" + cluster.Addrs()[0]}}})
	require.NoError(t, err)
	defer secure.Close()
	_, err = lbtest.ServedBy(testkit.Context(t), secure)
	assert.Contains(t, noneEligible(t, err).Endpoints[0].Detail, "tls", "a plaintext server is not taken for one with TLS")
}

func TestTheSequencerRoleAsksForTheSequencersService(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithHealthServices("sequencer-health-check-service"))
	client := clientkit.Connect(t, cluster, cantonlb.Config{Role: cantonlb.Sequencer}, 1)
	assert.Contains(t, client.Status().Endpoints[0].Probe.Target, `"sequencer-health-check-service"`)
	cluster.SetServing(0, "sequencer-health-check-service", false)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 })
}

func TestTheMediatorRoleFollowsTheReplicaWhoseHealthPortSaysThatItIsActive(t *testing.T) {
	apis := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP())
	nodes := lbtest.NewCluster(t, 1, nil, lbtest.OnTCP(), lbtest.WithHealthServices("mediator"))
	_, port, err := net.SplitHostPort(nodes.Addrs()[0])
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)

	nodes.SetServing(0, "mediator", false)
	client := clientkit.Connect(t, apis, cantonlb.Config{Role: cantonlb.Mediator, HealthCheck: healthcheck.Config{GRPCPort: n}}, 0)
	_, err = lbtest.ServedBy(testkit.Within(t, 300*time.Millisecond), client) // the role lets calls wait
	assert.Equal(t, report.ReasonNotServing, noneEligible(t, err).Endpoints[0].Reason)
	nodes.SetServing(0, "mediator", true)
	assert.Equal(t, map[string]int{"server0": 3}, testkit.Spread(t, client, 3))
	assert.Positive(t, apis.HealthCalls(0), "whether its connection is alive")
	assert.Zero(t, apis.HealthWatches(0))

	nodes.Hang(0)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 })
	assert.Equal(t, report.ReasonProbeTimeout, s.Endpoints[0].Reason)
}

func TestHealthOverHTTP(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP())
	var code atomic.Int64
	code.Store(http.StatusOK)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(int(code.Load()))
	}))
	defer page.Close()
	url := strings.Replace(page.URL, "127.0.0.1", "{host}", 1) + "/health"
	client := clientkit.Connect(t, cluster, cantonlb.Config{
		Role: cantonlb.ParticipantAdmin, HealthCheck: healthcheck.Config{HTTP: url},
	}, 1)
	assert.Equal(t, report.KindHTTP, client.Status().Endpoints[0].Probe.Kind)
	code.Store(http.StatusServiceUnavailable)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 })
	assert.Equal(t, report.ReasonNotServing, s.Endpoints[0].Reason)
	assert.Contains(t, s.Endpoints[0].Detail, "503")
}

func TestTheUsersServiceConfigIsMergedWithThePolicy(t *testing.T) {
	t.Run("methodConfig", func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
		cluster.FailCalls(0, codes.Unavailable, "not now")
		client := clientkit.Connect(t, cluster, cantonlb.Config{ServiceConfig: `{"methodConfig":[{"name":[{}],"retryPolicy":{
			"maxAttempts":4,"initialBackoff":"0.001s","maxBackoff":"0.01s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`}, 2)
		assert.Equal(t, map[string]int{"server1": 10}, testkit.Spread(t, client, 10))
		assert.Positive(t, cluster.Calls(0))
	})
	t.Run("a negative timeout is none, as in grpc", func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client := clientkit.Connect(t, cluster, cantonlb.Config{ServiceConfig: `{"methodConfig":[{"name":[{}],"timeout":"-1s"}]}`}, 1)
		assert.Equal(t, map[string]int{"server0": 3}, testkit.Spread(t, client, 3))
	})
	t.Run("the name in healthCheckConfig stands in for an unset service, and one Watch runs", func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithHealthServices("theirs"))
		cluster.SetServing(0, "", false)
		client := clientkit.Connect(t, cluster, cantonlb.Config{ServiceConfig: `{"healthCheckConfig":{"serviceName":"theirs"}}`}, 1)
		assert.Equal(t, 1, cluster.HealthWatches(0))
		cluster.SetServing(0, "theirs", false)
		clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 })
	})
	t.Run("with two names both have to pass", func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithHealthServices("ours", "theirs"))
		client := clientkit.Connect(t, cluster, cantonlb.Config{
			HealthCheck:   healthcheck.Config{Service: "ours"},
			ServiceConfig: `{"healthCheckConfig":{"serviceName":"theirs"}}`,
		}, 1)
		assert.Equal(t, 2, cluster.HealthWatches(0))
		for _, name := range []string{"ours", "theirs"} {
			cluster.SetServing(0, name, false)
			clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 })
			cluster.SetServing(0, name, true)
			require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
		}
	})
}
