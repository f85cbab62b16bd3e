package cantonlb_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// endpointsOf names the servers of a cluster as endpoints.
func endpointsOf(c *lbtest.Cluster) []cantonlb.Endpoint {
	var list []cantonlb.Endpoint
	for i, name := range c.Names() {
		list = append(list, cantonlb.Endpoint{Name: name, Address: c.Addrs()[i]})
	}
	return list
}

// connect makes a client of a cluster, which waits for the healthy ones.
func connect(t *testing.T, c *lbtest.Cluster, cfg cantonlb.Config, healthy int, opts ...grpc.DialOption) *cantonlb.Client {
	t.Helper()
	if cfg.Endpoints == nil {
		cfg.Endpoints = endpointsOf(c)
	}
	client, err := cantonlb.NewClient(cfg, append(c.DialOptions(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	if healthy > 0 {
		require.NoError(t, client.WaitHealthy(timeout(t), healthy))
	}
	return client
}

// spread makes n calls and counts who answered. It begins by waiting, so that the
// calls find all that the status has shown.
func spread(t *testing.T, client *cantonlb.Client, n int) map[string]int {
	t.Helper()
	require.NoError(t, client.WaitHealthy(timeout(t), 1))
	seen := map[string]int{}
	for range n {
		name, err := lbtest.ServedBy(timeout(t), client)
		require.NoError(t, err)
		seen[name]++
	}
	return seen
}

// await waits until what a client's status shows is as it should be.
func await(t *testing.T, client *cantonlb.Client, ok func(cantonlb.Status) bool) cantonlb.Status {
	t.Helper()
	var last cantonlb.Status
	require.Eventually(t, func() bool { last = client.Status(); return ok(last) }, patience, time.Millisecond,
		"the status never became what it should be")
	return last
}

func endpoint(s cantonlb.Status, name string) cantonlb.EndpointStatus {
	for _, e := range s.Endpoints {
		if e.Name == name {
			return e
		}
	}
	return cantonlb.EndpointStatus{}
}

// noneEligible asserts that err is a NoEligibleError, and gives it.
func noneEligible(t *testing.T, err error) *cantonlb.NoEligibleError {
	t.Helper()
	var none *cantonlb.NoEligibleError
	require.ErrorAs(t, err, &none)
	return none
}
