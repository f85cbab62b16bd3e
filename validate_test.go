package cantonlb_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// identities is a hook that asks each connection for its server's name, and returns
// the result that the test sets.
type identities struct {
	mu    sync.Mutex
	say   map[string]cantonlb.Validation // by endpoint; by default that it is valid
	asked map[string]int
	by    map[string]string // the server that answered last
}

func newIdentities() *identities {
	return &identities{say: map[string]cantonlb.Validation{}, asked: map[string]int{}, by: map[string]string{}}
}

func (i *identities) validate(ctx context.Context, cc grpc.ClientConnInterface, e cantonlb.Endpoint) cantonlb.Validation {
	var p peer.Peer
	var trailer metadata.MD
	by, err := lbtest.ServedBy(ctx, cc, grpc.Peer(&p), grpc.Trailer(&trailer))
	if err != nil {
		return cantonlb.Validation{Detail: err.Error()}
	}
	name, named := cantonlb.EndpointOf(&p) // not on a plain channel with credentials of its own
	if named && name != e.Name || p.Addr == nil || trailer.Get(lbtest.ServerHeader)[0] != by {
		return cantonlb.Validation{Detail: fmt.Sprintf("peer %v, trailer %v", p, trailer)}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked[e.Name]++
	i.by[e.Name] = by
	if v, ok := i.say[e.Name]; ok {
		return v
	}
	return cantonlb.Validation{Result: cantonlb.ValidationOK}
}

func (i *identities) set(name string, v cantonlb.Validation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.say[name] = v
}

func (i *identities) times(name string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[name]
}

func TestEachConnectionIsValidatedOnItselfBeforeItIsPicked(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho)
	ids := newIdentities()
	ids.set("server1", cantonlb.Validation{Result: cantonlb.ValidationMismatch, Detail: "sequencer B; want sequencer A"})
	client := clientkit.Connect(t, cluster, cantonlb.Config{Validate: ids.validate}, 2)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { // its probes pass, which may be known later
		return endpoint(s, "server1").State == cantonlb.StateUnhealthy && endpoint(s, "server1").Health == report.Healthy
	})
	bad := endpoint(s, "server1")
	assert.Equal(t, report.ReasonIdentityMismatch, bad.Reason)
	assert.Equal(t, "sequencer B; want sequencer A", bad.Detail)
	assert.Equal(t, map[string]int{"server0": 5, "server2": 5}, testkit.Spread(t, client, 10))
	for _, name := range cluster.Names() {
		assert.Equal(t, 1, ids.times(name))
		assert.Equal(t, name, ids.by[name], "on its own connection")
	}
	var shown []cantonlb.Event
	for _, e := range client.Events() {
		if e.Endpoint == "server1" && e.Reason == report.ReasonIdentityMismatch {
			shown = append(shown, e)
		}
	}
	assert.Len(t, shown, 1, "one event, and one line in the log")

	cluster.Disconnect(0)
	clientkit.Await(t, client, func(cantonlb.Status) bool { return ids.times("server0") == 2 })
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
}

func TestAValidationReceivesTheEndpointAsTheNewestListHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		var mu sync.Mutex
		var asked []cantonlb.Endpoint
		client := clientkit.Connect(t, cluster, cantonlb.Config{
			Validate: func(_ context.Context, _ grpc.ClientConnInterface, e cantonlb.Endpoint) cantonlb.Validation {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, e)
				return cantonlb.Validation{Result: cantonlb.ValidationOK}
			},
		}, 1)
		list := clientkit.Endpoints(cluster)
		want := []cantonlb.Endpoint{list[0]}
		for _, change := range []func(){
			func() { list[0].Weight = 7 }, func() { list[0].Zone = "north" }, func() { list[0].Priority = 3 }, func() { list[0].Weight = 0 },
		} {
			change()
			want = append(want, list[0])
			require.NoError(t, client.Update(list))
			cluster.Disconnect(0)
			time.Sleep(5 * time.Second)
		}
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, want, asked)
	})
}

func TestAMismatchIsLookedIntoAgainSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		ids := newIdentities()
		ids.set("server0", cantonlb.Validation{Result: cantonlb.ValidationMismatch, Detail: "B"})
		client, err := cantonlb.NewClient(cantonlb.Config{
			Endpoints: clientkit.Endpoints(cluster), Validate: ids.validate, NoneEligible: cantonlb.FailOpen,
		}, cluster.DialOptions()...)
		require.NoError(t, err)
		defer client.Close()
		synctest.Wait()
		_, err = lbtest.ServedBy(t.Context(), client)
		none := noneEligible(t, err)
		assert.Equal(t, report.ReasonIdentityMismatch, none.Endpoints[0].Reason)
		assert.Contains(t, err.Error(), "server0 unhealthy (identity_mismatch", "not even FailOpen trusts it")
		time.Sleep(5 * time.Minute)
		n := ids.times("server0")
		assert.Greater(t, n, 4)
		assert.Less(t, n, 15)

		ids.set("server0", cantonlb.Validation{Result: cantonlb.ValidationOK})
		time.Sleep(80 * time.Second)
		require.NoError(t, call(t.Context(), client), "never lost for good")
	})
}

func TestAServerThatCannotSayWhoItIsIsAskedAgainOnceItIsHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		cluster.SetServing(0, "", false)
		ids := newIdentities()
		ids.set("server0", cantonlb.Validation{Detail: "it starts up"})
		client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: clientkit.Endpoints(cluster), Validate: ids.validate}, cluster.DialOptions()...)
		require.NoError(t, err)
		defer client.Close()
		time.Sleep(time.Minute)
		assert.Equal(t, report.ReasonNotServing, client.Status().Endpoints[0].Reason)
		before := ids.times("server0")
		ids.set("server0", cantonlb.Validation{Result: cantonlb.ValidationOK})
		cluster.SetServing(0, "", true)
		time.Sleep(time.Second)
		require.NoError(t, call(t.Context(), client))
		assert.Equal(t, before+1, ids.times("server0"))
	})
}

func TestAServerThatDoesNotSayWhoItIsIsNotPicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		client, err := cantonlb.NewClient(cantonlb.Config{
			Endpoints: clientkit.Endpoints(cluster),
			Validate: func(ctx context.Context, _ grpc.ClientConnInterface, _ cantonlb.Endpoint) cantonlb.Validation {
				<-ctx.Done()
				return cantonlb.Validation{}
			},
		}, cluster.DialOptions()...)
		require.NoError(t, err)
		defer client.Close()
		time.Sleep(time.Second)
		e := client.Status().Endpoints[0]
		assert.Equal(t, cantonlb.StateUnknown, e.State)
		assert.Equal(t, report.ReasonValidating, e.Reason)
		early, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = call(early, client)
		require.ErrorIs(t, err, context.DeadlineExceeded, "calls wait for what is being found out")
		assert.Equal(t, report.ReasonValidating, noneEligible(t, err).Endpoints[0].Reason)

		time.Sleep(5 * time.Second)
		e = client.Status().Endpoints[0]
		assert.Equal(t, cantonlb.StateUnhealthy, e.State)
		assert.Equal(t, report.ReasonNotValidated, e.Reason)
		assert.Equal(t, "no answer within 5s", e.Detail)
		_ = noneEligible(t, call(t.Context(), client))
	})
}

func TestAValidationCarriesTheEndpointsToken(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithTokens(), lbtest.WithHealthPage())
	ids := newIdentities()
	list := deployed(cluster)
	for i := range list { // so that no probe carries it
		list[i].Health = cantonlb.HealthTarget{HTTP: cluster.Server(i).HealthPageURL()}
	}
	clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list, Validate: ids.validate}, 2)
	assertOwnTokens(t, cluster)
	assert.Equal(t, 2, ids.times("server0")+ids.times("server1"))
}

func TestAPlainChannelValidatesWhereverItsListIs(t *testing.T) {
	for name, inConfig := range map[string]bool{"the config": true, "the target": false} {
		t.Run(name, func(t *testing.T) {
			ids := newIdentities()
			cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
			list, target := clientkit.Endpoints(cluster), "static:///all"
			if !inConfig {
				list, target = nil, cluster.Target()
			}
			other := cluster.Addrs()[1]
			if inConfig {
				other = "server1"
			}
			ids.set(other, cantonlb.Validation{Result: cantonlb.ValidationMismatch})
			opts, err := cantonlb.DialOptions(cantonlb.Config{Endpoints: list, Validate: ids.validate})
			require.NoError(t, err)
			conn, err := grpc.NewClient(target, append(opts, cluster.DialOptions()...)...)
			require.NoError(t, err)
			defer conn.Close()
			for range 5 {
				by, err := lbtest.ServedBy(testkit.Context(t), conn, grpc.WaitForReady(true))
				require.NoError(t, err)
				assert.Equal(t, "server0", by)
			}
		})
	}
}
