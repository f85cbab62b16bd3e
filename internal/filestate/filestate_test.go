package filestate

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAFileThatIsGoneIsAProblem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "lb.yaml")
	assert.Equal(t, goneDir, Problem(path))
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	assert.Equal(t, gone, Problem(path))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	assert.Empty(t, Problem(path))
	require.NoError(t, os.Rename(path, path+".old"))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	assert.Empty(t, Problem(path), "replaced as one should")
}

// The path of an open file in /proc leads to a file without a link, as a mount does.
func TestAFileBehindAMountThatWasReplacedIsAProblem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	path := filepath.Join(t.TempDir(), "lb.yaml")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	mounted := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	assert.Empty(t, Problem(mounted))
	require.NoError(t, os.Remove(path))
	assert.Equal(t, replaced, Problem(mounted))
}
