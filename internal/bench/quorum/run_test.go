package quorum

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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryPeerIsMeasuredAndOursIsNeverWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	report := new(Report)
	for _, p := range peers {
		v, err := measure(t.Context(), 7, 2, p, 300*time.Millisecond)
		require.NoError(t, err)
		assert.Positive(t, v.Calls, p.name)
		assert.Zero(t, v.Wrong, p.name)
		assert.GreaterOrEqual(t, v.P99, v.P50)
		if p.name == ours {
			assert.Less(t, v.Requests, 7.0)
			assert.GreaterOrEqual(t, v.Requests, 3.0)
		}
		report.Values = append(report.Values, v)
	}
	var table bytes.Buffer
	require.NoError(t, report.WriteTable(&table))
	assert.Equal(t, 2+len(peers), bytes.Count(table.Bytes(), []byte("\n")), table.String())

	folder := t.TempDir()
	name := filepath.Join(folder, "quorum.md")
	const head, foot = "<!-- written by: " + command + " -->\n", "<!-- end -->\n"
	require.NoError(t, os.WriteFile(name, []byte(head+"old\n"+foot), 0o600))
	require.NoError(t, report.WriteDocs(folder, "machine"))
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, head+"\nmachine\n"+table.String()+"\n"+foot, string(got))
}
