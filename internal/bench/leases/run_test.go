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
)

func TestMain(m *testing.M) {
	if code, is := Child(); is {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

func TestAHolderThatIsStoppedDoesNotActAfterTheNextOne(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several times the TTL: left out with -short")
	}
	report, err := Run(t.Context(), Options{
		Runs: 1, TTL: time.Second, Log: t.Output(),
		Peers: []string{"cantonlb, PostgreSQL, LISTEN", "cantonlb, Kubernetes"}, Faults: []string{"stopped and continued"},
	})
	require.NoError(t, err)
	for _, v := range report.Values {
		assert.False(t, v.None, v)
		assert.Zero(t, v.Overlap, v)
	}
	var table bytes.Buffer
	require.NoError(t, report.WriteTable(&table))
	assert.Equal(t, 2+len(report.Values), bytes.Count(table.Bytes(), []byte("\n")))
	assert.Contains(t, table.String(), "| stopped and continued |")
}

func TestActionsAfterTheBeginOfAnotherTermOverlap(t *testing.T) {
	a, b := new(candidate), new(candidate)
	a.started, b.started = []time.Duration{10, 50}, []time.Duration{30}
	a.acted, b.acted = []time.Duration{11, 29, 33, 36, 55}, []time.Duration{31, 45, 52}
	v := judge(&situation{ttl: 100, holder: a, other: b, began: 12}, 60)
	assert.Equal(t, 3, v.Overlap, "33 and 36 of a, 52 of b")
	assert.Equal(t, time.Duration(6), v.Late)
	assert.Equal(t, time.Duration(17), v.Silence)
	assert.False(t, v.None)
	assert.True(t, judge(&situation{ttl: 8, holder: a, other: b, began: 12}, 60).None)
}

func TestTheTableGoesIntoItsPage(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "lease.md")
	r := &Report{Values: []Value{{Peer: "p", Fault: "f", None: true}, {Peer: "p", Fault: "f", Run: 1, Silence: 1500 * time.Millisecond, Overlap: 2, Late: time.Second}}}
	require.Error(t, r.WriteDocs(folder, ""))
	require.NoError(t, os.WriteFile(name, []byte("<!-- written by: "+command+" -->\n<!-- end -->\n"), 0o600))
	require.NoError(t, r.WriteDocs(folder, "machine"))
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Contains(t, string(got), "machine")
	assert.Contains(t, string(got), "| f | p | 2 | 1.50 s | 1.50 s | 1 | 2 | 1s |\n")
}
