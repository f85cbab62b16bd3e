package faulttest

import (
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

var (
	seed  = flag.Uint64("seed", 0, "the seed of the random faults (default: chosen at random)")
	lasts = flag.Duration("lasts", time.Minute, "how long they are made, in fake time")
)

// newBench makes servers, and a client that finds them all.
func newBench(t *testing.T, opts ...lbtest.Option) *Bench {
	t.Helper()
	b := &Bench{Witness: NewWitness()}
	b.Cluster = lbtest.NewCluster(t, Servers, Register, append(opts, b.Witness.Options())...)
	var err error
	b.Client, err = cantonlb.NewClient(ClientConfig(b.Cluster), b.Cluster.DialOptions()...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Client.Close()) })
	return b
}

func TestNoCallIsLostOrMadeTwiceUnderRandomFaults(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("to see the same faults again: -seed %d", *seed)
	synctest.Test(t, func(t *testing.T) {
		report, err := Run(t.Context(), newBench(t), Config{Seed: *seed, For: *lasts, Rest: 50 * time.Millisecond})
		require.NoError(t, err)
		t.Log(report)
		assert.Zero(t, report.Violated)
		for _, v := range report.Violations {
			t.Error(v)
		}
		assert.Positive(t, report.Writes.OK)
		assert.Positive(t, report.Follows.OK)
		assert.Positive(t, report.Again, "faults have had calls made again")
	})
}
