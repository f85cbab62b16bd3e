package docpart

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestThePartOfTheCommandIsReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.md")
	require.Error(t, Write(name, "make table", nil))
	const head, foot = "before\n<!-- written by: make table -->\n", "<!-- end -->\nafter\n"
	require.NoError(t, os.WriteFile(name, []byte(head+"old\n"+foot), 0o600))
	for range 2 {
		require.NoError(t, Write(name, "make table", []byte("new\n")))
	}
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, head+"new\n"+foot, string(got))
	assert.ErrorContains(t, Write(name, "make another", nil), "no place for the table")
}
