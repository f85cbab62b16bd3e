package faulttest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setUp is what differs from one bench to another.
type setUp struct {
	change  func(*cantonlb.Config) // nil: nothing
	servers []lbtest.Option
	dial    []grpc.DialOption
}

// newBench makes servers, and a client of them.
func newBench(t *testing.T, s setUp) *Bench {
	t.Helper()
	b := &Bench{Witness: NewWitness()}
	b.Cluster = lbtest.NewCluster(t, Servers, Register, append(s.servers, b.Witness.Options())...)
	cfg := ClientConfig(b.Cluster)
	if s.change != nil {
		s.change(&cfg)
	}
	var err error
	b.Client, err = cantonlb.NewClient(cfg, append(b.Cluster.DialOptions(), s.dial...)...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Client.Close()) })
	return b
}
