package cantonlb_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// assertOwnTokens asserts that no server has been shown another's token.
func assertOwnTokens(t *testing.T, c *lbtest.Cluster) {
	t.Helper()
	for i := range c.Len() {
		assert.Equal(t, []string{c.Server(i).Token()}, c.Server(i).TokensSeen(), c.Names()[i])
	}
}

func TestEachServerGetsItsOwnTokenByCallsAndProbes(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithTLS(0, 1), lbtest.WithTokens())
	list := deployed(cluster)
	list[1].TokenFile, list[1].Token = put(t, "token", list[1].Token.Reveal()+"\n"), cantonlb.Secret{}
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 3)
	assert.Equal(t, map[string]int{"server0": 3, "server1": 3, "server2": 3}, testkit.Spread(t, client, 9))
	stream, err := lbtest.Ticks(testkit.Context(t), client, time.Second)
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	for i := range 3 {
		assert.Positive(t, cluster.HealthCalls(i)+cluster.HealthWatches(i))
	}
	assertOwnTokens(t, cluster)
}

func TestAnEndpointWithTheWrongTokenIsOutAndTheOthersGoOn(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithTokens())
	list := deployed(cluster)
	path := put(t, "token", "expired")
	list[1].TokenFile, list[1].Token = path, cantonlb.Secret{}
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 1)
	assert.Equal(t, map[string]int{"server0": 5}, testkit.Spread(t, client, 5))
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server1").State == cantonlb.StateUnhealthy })
	bad := endpoint(s, "server1")
	assert.Equal(t, report.ReasonProbeDenied, bad.Reason)
	assert.Equal(t, "UNAUTHENTICATED: lbtest: wrong token", bad.Detail)

	put(t, path, cluster.Server(1).Token()) // it is read again
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
	assert.Equal(t, map[string]int{"server0": 2, "server1": 2}, testkit.Spread(t, client, 4))
}

func TestACallThatIsMadeAgainElsewhereCarriesTheTokenOfThere(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithTokens())
	client := clientkit.Connect(t, cluster, cantonlb.Config{
		Endpoints: deployed(cluster), Idempotent: []string{"/lbtest.Echo/*"},
		RetryBudget: cantonlb.RetryBudget{PerSecond: 1000},
	}, 3)
	cluster.FailCalls(0, codes.Unavailable, "not now")
	cluster.SetLatency(1, time.Hour)
	answered := make(chan error, 30)
	for range cap(answered) {
		go func() { answered <- call(testkit.Context(t), client) }()
	}
	cluster.WaitCalls(1, 5, testkit.Patience)
	cluster.SetServing(1, "", false) // those are rescued
	for range cap(answered) {
		require.NoError(t, <-answered)
	}
	assert.Positive(t, cluster.Calls(0))
	assertOwnTokens(t, cluster)
}

// fickle are credentials that fail while err is set.
type fickle struct{ err atomic.Pointer[error] }

func (f *fickle) say(err error) { f.err.Store(&err) }

func (f *fickle) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer mine"}, *f.err.Load()
}
func (*fickle) RequireTransportSecurity() bool { return true }

func TestCallsOnAnEndpointWithoutItsTokenGoElsewhereAndItTellsWhy(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS())
	list := deployed(cluster)
	own := new(fickle)
	own.say(nil)
	list[1].Credentials = own
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 2)
	assert.Equal(t, map[string]int{"server0": 2, "server1": 2}, testkit.Spread(t, client, 4))
	assert.Equal(t, []string{"mine"}, cluster.Server(1).TokensSeen())

	own.say(errors.New("the issuer is away"))
	for range 10 {
		require.NoError(t, call(testkit.Context(t), client), "nothing was sent, so any call can be reissued")
	}
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server1").State == cantonlb.StateUnhealthy })
	assert.Contains(t, endpoint(s, "server1").Detail, `endpoint "server1": no token: the issuer is away`)
	own.say(nil)
	clientkit.Await(t, client, func(s cantonlb.Status) bool {
		require.NoError(t, call(testkit.Context(t), client)) // if it was ejected meanwhile, a call has to try it
		return s.Eligible() == 2
	})
}

func TestATokenIsNotSentInPlaintextUnlessThatIsAllowed(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTokens())
	list := deployed(cluster)
	list[0].AllowInsecureTokens = false
	_, err := cantonlb.NewClient(cantonlb.Config{Endpoints: list}, cluster.DialOptions()...)
	require.EqualError(t, err, `cantonlb: endpoints[0].token: would be sent over plaintext; want an https:// address, or allowInsecureTokens`)
	list[0].Address = cluster.Addrs()[0] // the channel's credentials are plaintext
	_, err = cantonlb.NewClient(cantonlb.Config{Endpoints: list}, cluster.DialOptions()...)
	require.ErrorContains(t, err, `the endpoint's token would be sent over plaintext; want https:// before it, or allowInsecureTokens`)
	assert.Empty(t, cluster.Server(0).TokensSeen())

	list[0].AllowInsecureTokens = true
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 1)
	require.NoError(t, call(testkit.Context(t), client))
	assertOwnTokens(t, cluster)
}

func TestATokenThatExpiresUnderLoadTakesTheEndpointOutAndNoIdempotentCallFails(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	for name, opts := range map[string][]lbtest.Option{
		"its probes are denied, too": {lbtest.WithTLS(), lbtest.WithTokens()},
		"its health takes no token":  {lbtest.WithTLS(), lbtest.WithTokens(), lbtest.WithHealthPage()},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, opts...)
			list := deployed(cluster)
			path := put(t, "token", list[1].Token.Reveal())
			list[1].TokenFile, list[1].Token = path, cantonlb.Secret{}
			list[1].Health.HTTP = cluster.Server(1).HealthPageURL()
			client := clientkit.Connect(t, cluster, cantonlb.Config{
				Endpoints: list, Idempotent: []string{"/lbtest.Echo/*"}, RetryBudget: cantonlb.RetryBudget{PerSecond: 10_000},
			}, 3)
			failed, _ := underLoad(testkit.Context(t), 4, func(ctx context.Context) error { return call(ctx, client) }, func() {
				cluster.Server(1).SetToken("renewed")
				secret("renewed")
				s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return !endpoint(s, "server1").Eligible })
				assert.Contains(t, []report.Reason{report.ReasonProbeDenied, report.ReasonCallsFailing}, endpoint(s, "server1").Reason)
				put(t, path, "renewed")
				clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 3 })
			})
			assert.Empty(t, failed)
		})
	}
}

// Another attempt with the same token on the same endpoint would be answered alike.
func TestNoEndpointIsAskedTwiceThatHasRejectedItsToken(t *testing.T) {
	for name, x := range map[string]struct {
		policy    cantonlb.Policy
		rejecting int
	}{
		"one endpoint":                 {cantonlb.HealthyRoundRobin, 1},
		"one endpoint, active-passive": {cantonlb.ActivePassive, 1},
		"both of two":                  {cantonlb.HealthyRoundRobin, 2},
		"both of two, least loaded":    {cantonlb.HealthyLeastLoaded, 2},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, x.rejecting, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithTokens(), lbtest.WithHealthPage())
			list := deployed(cluster)
			for i := range list {
				list[i].Health.HTTP = cluster.Server(i).HealthPageURL()
			}
			client := clientkit.Connect(t, cluster, cantonlb.Config{
				Endpoints: list, Policy: x.policy, Idempotent: []string{"/lbtest.Echo/*"}, NoneEligible: cantonlb.Wait,
			}, x.rejecting)
			for i := range list {
				cluster.Server(i).SetToken("another")
			}
			began := time.Now()
			err := call(testkit.Context(t), client)
			assert.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
			assert.Less(t, time.Since(began), time.Second)
			rejected := 0
			for i := range list {
				assert.LessOrEqual(t, cluster.Calls(i), 1)
				rejected += cluster.Calls(i)
			}
			assert.Equal(t, x.rejecting, rejected)
			assert.EqualValues(t, x.rejecting-1, client.Status().Totals.Retried)
		})
	}
}

func TestACallOfTheServersOwnDenialIsTheCallers(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS())
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: deployed(cluster)}, 1)
	cluster.Server(0).SetToken("needed")
	assert.Equal(t, codes.Unauthenticated, status.Code(call(testkit.Context(t), client)))
}
