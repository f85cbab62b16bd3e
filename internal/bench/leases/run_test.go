//go:build unix

package leases

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

func TestMain(m *testing.M) {
	if code, is := Child(); is {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// TestFaultsOfProcessesAndOfTheirNetworks is one run of three faults, at the same time.
func TestFaultsOfProcessesAndOfTheirNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several times the TTL: left out with -short")
	}
	const ttl, granularity = 2 * time.Second, 2 * time.Second
	faults := []string{"stopped and continued"}
	if err := netns.Possible(t.Context()); err != nil {
		t.Logf("without lost packets: network namespaces are not possible here: %v", err)
	} else {
		faults = append(faults, "packets to the store lost", "packets from the store lost")
	}
	report, err := Run(t.Context(), Options{
		Runs: 1, TTL: ttl, Log: t.Output(), AtOnce: true,
		Peers: []string{"pglease with LISTEN", "etcdlease", "k8slease"}, Faults: faults,
	})
	require.NoError(t, err)
	require.NotEmpty(t, report.Values)
	for _, v := range report.Values {
		assert.False(t, v.None, v)
		assert.Zero(t, v.Outside, v)
		assert.Zero(t, v.Stale, v)
		assert.Positive(t, v.Takeover, v)
		// The bound, and what a machine may take on which nine of these run at once.
		assert.Less(t, v.Takeover, ttl+ttl/3+granularity+10*time.Second, v)
		assert.Equal(t, v.Uncounted, v.Commits == 0, v)
	}
	var table bytes.Buffer
	require.NoError(t, report.WriteTable(&table))
	assert.Equal(t, 2+len(report.Values), bytes.Count(table.Bytes(), []byte("\n")))
	assert.Contains(t, table.String(), "| stopped and continued |")
}

func TestWhatDoesNotExistIsRefused(t *testing.T) {
	_, err := Run(t.Context(), Options{Peers: []string{"pglock"}})
	require.ErrorContains(t, err, `peer "pglock": want one of pglease with LISTEN`)
	_, err = Run(t.Context(), Options{Faults: []string{"flood"}})
	require.ErrorContains(t, err, `fault "flood": want one of killed`)
}

func TestEachPeerHasEachFaultThatItsStoreCanHave(t *testing.T) {
	count := func(o Options, private bool) (n int) {
		for _, b := range o.batches(private) {
			n += len(b)
			for _, m := range b {
				if faultNamed(m.Fault).only == "" {
					assert.Equal(t, b[0].Fault, m.Fault, "peers have a fault at the same time")
				}
			}
		}
		return n
	}
	assert.Equal(t, 2*(7*7+3*3), count(Options{Runs: 2}, true))
	assert.Equal(t, 5*7+3*3, count(Options{Runs: 1}, false))
	assert.Equal(t, 3*7, count(Options{Runs: 1, Short: true}, true))
}

func TestCommitsAfterThoseOfANewerTermAreStale(t *testing.T) {
	assert.Equal(t, 2, stale([]committed{{1, 10}, {1, 11}, {2, 12}, {1, 13}, {2, 14}, {1, 15}, {3, 16}}))
	assert.Zero(t, stale(nil))
}

func TestActionsAfterTheBeginOfAnotherTermOverlap(t *testing.T) {
	a, b := new(candidate), new(candidate)
	a.started, b.started = []time.Duration{10, 50}, []time.Duration{30}
	a.acted, b.acted = []time.Duration{11, 29, 33, 36, 55}, []time.Duration{31, 45, 52}
	v := judge(&situation{ttl: 100, holder: a, other: b, began: 12}, 60)
	assert.Equal(t, 3, v.Outside, "33 and 36 of a, 52 of b")
	assert.Equal(t, time.Duration(6), v.Late)
	assert.Equal(t, time.Duration(17), v.Silence)
	assert.Equal(t, time.Duration(18), v.Takeover)
	assert.False(t, v.None)
	assert.True(t, judge(&situation{ttl: 8, holder: a, other: b, began: 12}, 60).None)
}

func TestTheTableGoesIntoItsPage(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "lease.md")
	r := &Report{Values: []Value{
		{Peer: "p", Fault: "f", Silence: time.Second},
		{Peer: "p", Fault: "f", Run: 1, Takeover: 1200 * time.Millisecond, Silence: 1500 * time.Millisecond, Outside: 2, Late: time.Second, Commits: 9, Stale: 1},
		{Peer: "q", Fault: "f", None: true, Uncounted: true},
	}}
	require.Error(t, r.WriteDocs(folder, ""))
	require.NoError(t, os.WriteFile(name, []byte("<!-- written by: "+command+" -->\n<!-- end -->\n"), 0o600))
	require.NoError(t, r.WriteDocs(folder, "machine"))
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Contains(t, string(got), "machine")
	assert.Contains(t, string(got), "| f | p | 1 of 2 | 1.20 s | 1.20 s | 1.50 s | 2 | 1s | 1 of 9 |\n")
	assert.Contains(t, string(got), "| f | q | 0 of 1 | - | - | no end in 1 | 0 | 0s | - |\n")
}
