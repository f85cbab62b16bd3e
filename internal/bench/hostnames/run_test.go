package hostnames

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

// The times are not judged here: the machine may be busy.
func TestEachClientIsMeasuredInEachCase(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a look-up with a dead name server: left out with -short")
	}
	report, err := Run(t.Context(), Options{Short: true, Runs: 1, Log: t.Output()})
	require.NoError(t, err)
	seen := make(map[string]int)
	for _, v := range report.Values {
		seen[v.Case]++
		assert.Positive(t, v.Calls, v)
		if v.Peer == peers[0].name {
			assert.False(t, v.Never, v)
			assert.Positive(t, v.Made, v)
		}
	}
	for name, n := range seen {
		assert.Equal(t, len(peers), n, name)
	}
	assert.NotEmpty(t, seen)
	var table bytes.Buffer
	require.NoError(t, report.WriteTable(&table))
	assert.Equal(t, len(seen), bytes.Count(table.Bytes(), []byte("| cantonlb |")))
}

func TestADroppedSYNIsSentAgain(t *testing.T) {
	c := situation{name: "c", ways: []way{loses}, lasts: 1500 * time.Millisecond}
	p, err := c.place(t.Context(), []string{"127.99.1.1"})
	if err != nil {
		require.ErrorIs(t, err, errNotHere)
		t.Skip(err)
	}
	defer p.close()
	v, err := c.observe(t.Context(), peers[1], p)
	require.NoError(t, err)
	assert.False(t, v.Never)
	assert.Greater(t, v.Healthy, loss, "the first SYN is lost")
}

func valuesOf(ours, theirs Value) *Report {
	ours.Case, ours.Peer = situations[0].name, peers[0].name
	theirs.Case, theirs.Peer = ours.Case, control
	return &Report{Values: []Value{ours, theirs}}
}

func TestAClaimFailsIfThisLibraryIsWorse(t *testing.T) {
	theirs := Value{Healthy: time.Second, Failed: 1, Made: 2}
	for name, c := range map[string]struct {
		ours Value
		want []string
	}{
		"the same":         {theirs, nil},
		"a little later":   {Value{Healthy: 1050 * time.Millisecond, Failed: 1, Made: 2}, nil},
		"later":            {Value{Healthy: 1200 * time.Millisecond, Failed: 1, Made: 2}, claims[:1]},
		"never":            {Value{Never: true, Failed: 1, Made: 2}, claims[:1]},
		"more failures":    {Value{Failed: 2, Made: 2}, claims[1:2]},
		"more connections": {Value{Made: 3}, claims[2:]},
	} {
		t.Run(name, func(t *testing.T) {
			report := valuesOf(c.ours, theirs)
			assert.Equal(t, c.want, report.worse(situations[0]))
			var table bytes.Buffer
			require.NoError(t, report.WriteTable(&table))
			assert.Equal(t, len(c.want), bytes.Count(table.Bytes(), []byte("**no**: "+situations[0].name)))
		})
	}
	aged := situations[0]
	aged.age = time.Second
	assert.Empty(t, valuesOf(Value{Made: 3}, theirs).worse(aged), "ages differ by chance")
	assert.Empty(t, new(Report).worse(aged))
}

func TestTheTablesGoIntoTheirPage(t *testing.T) {
	folder := t.TempDir()
	page := filepath.Join(folder, "names.md")
	report := valuesOf(Value{Healthy: time.Second, Made: 1}, Value{Never: true, Failed: 7})
	require.Error(t, report.WriteDocs(folder, ""))
	require.NoError(t, os.WriteFile(page, []byte("<!-- written by: "+command+" -->\n<!-- end -->\n"), 0o600))
	require.NoError(t, report.WriteDocs(folder, "one machine\n"))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(text), "one machine\n")
	assert.Contains(t, string(text), "| cantonlb | 1.000 / 1.000 | 0 / 0 | 1 / 1 |")
	assert.Contains(t, string(text), "| never | 7 / 7 | 0 / 0 |")
	assert.Contains(t, string(text), "| calls failed | yes |")
}

func TestTheListsAreInOrder(t *testing.T) {
	assert.Equal(t, situations[0].name, Cases()[0])
	assert.Len(t, Cases(), len(situations))
	assert.Equal(t, control, Peers()[1])
}
