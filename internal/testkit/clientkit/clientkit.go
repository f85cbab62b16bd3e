package clientkit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// Endpoints returns the servers of a cluster as endpoints, with their names.
func Endpoints(c *lbtest.Cluster) []cantonlb.Endpoint {
	list := make([]cantonlb.Endpoint, 0, len(c.Names()))
	for i, name := range c.Names() {
		list = append(list, cantonlb.Endpoint{Name: name, Address: c.Addrs()[i]})
	}
	return list
}

// Connect makes a client of a cluster, which closes with the test, and waits until
// as many of its endpoints are eligible as healthy says. The endpoints are those of
// the cluster, unless cfg has others.
func Connect(t testing.TB, c *lbtest.Cluster, cfg cantonlb.Config, healthy int, opts ...grpc.DialOption) *cantonlb.Client {
	t.Helper()
	if cfg.Endpoints == nil {
		cfg.Endpoints = Endpoints(c)
	}
	client, err := cantonlb.NewClient(cfg, append(c.DialOptions(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	if healthy > 0 {
		require.NoError(t, client.WaitHealthy(testkit.Context(t), healthy))
	}
	return client
}

// Await waits until what the status of a client shows is as it should be, and
// returns it.
func Await(t testing.TB, client *cantonlb.Client, ok func(cantonlb.Status) bool) cantonlb.Status {
	t.Helper()
	var last cantonlb.Status
	require.Eventually(t, func() bool { last = client.Status(); return ok(last) }, testkit.Patience, time.Millisecond,
		"the status never became what it should be")
	return last
}
