//go:build unix

package jsonapi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
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
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func TestNothingIsLostWhenAServerIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	kill := faults[1]
	require.Equal(t, "kill", kill.name)
	values, err := measureAll(t.Context(), peers[:2], kill, 300*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond)
	require.NoError(t, err)
	require.Len(t, values, 2)
	for i, v := range values {
		assert.Equal(t, peers[i].name, v.Peer)
		assert.Greater(t, v.Calls, 50)
		assert.Zero(t, v.Failed)
		assert.NotZero(t, v.P99)
	}
}

func TestASummaryCountsFailures(t *testing.T) {
	at := time.Unix(100, 0)
	v := summarize("p", "f", []call{
		{began: at.Add(-time.Second), took: time.Millisecond},
		{began: at.Add(2 * time.Second), took: 3 * time.Millisecond, failed: true},
		{began: at.Add(time.Second), took: 2 * time.Millisecond, failed: true},
	}, at)
	assert.Equal(t, Value{Peer: "p", Fault: "f", Calls: 3, Failed: 2, LastError: 2 * time.Second, P50: 2 * time.Millisecond, P99: 3 * time.Millisecond}, v)
	assert.Zero(t, summarize("p", "f", nil, at).P50)
}

func TestTheDocumentHasAPlaceForTheTables(t *testing.T) {
	r := &Report{deadline: deadline, hold: time.Second}
	for _, p := range Peers()[:3] {
		r.Values = append(r.Values, Value{Peer: p, Fault: "kill", Calls: 10, Failed: 1, LastError: time.Second, P50: time.Millisecond, P99: time.Second})
	}
	var table bytes.Buffer
	require.NoError(t, r.WriteTable(&table))
	assert.Contains(t, table.String(), "| http.Client | 1 | 10 | 1.0 s | 1.00 ms | 1.00 (1.00 to 1.00) | 1000.00 ms |")
	dir := t.TempDir()
	require.Error(t, r.WriteDocs(dir, ""))
	name := filepath.Join(dir, "jsonapi.md")
	require.NoError(t, os.WriteFile(name, []byte("# x\n"), 0o600))
	require.ErrorContains(t, r.WriteDocs(dir, ""), "no place")
	require.NoError(t, os.WriteFile(name, []byte("# x\n<!-- written by: "+command+" -->\nold\n<!-- end -->\nrest\n"), 0o600))
	require.NoError(t, r.WriteDocs(dir, "header"))
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "old")
	assert.True(t, strings.HasPrefix(string(text), "# x\n") && strings.HasSuffix(string(text), "rest\n"))
	assert.Contains(t, Faults(), "rolling")
}
