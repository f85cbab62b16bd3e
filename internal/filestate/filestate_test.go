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

	"github.com/cantonlb/cantonlb/resolver"
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

func TestEachFileOfAnEndpointThatIsGoneIsNoted(t *testing.T) {
	dir := t.TempDir()
	files := func(name string) resolver.TLS {
		return resolver.TLS{RootCAFile: filepath.Join(dir, name+"ca"), CertFile: filepath.Join(dir, name+"cert"), KeyFile: filepath.Join(dir, name+"key")}
	}
	e := resolver.Endpoint{Name: "a", TLS: files(""), TokenFile: filepath.Join(dir, "token"), Health: resolver.HealthTarget{TLS: files("health-")}}
	notes := EndpointNotes(func(resolver.Endpoint) error { return nil }, []resolver.Endpoint{e, e})
	assert.Len(t, notes, 7)
	for _, name := range []string{"ca", "cert", "key", "token", "health-ca", "health-cert", "health-key"} {
		assert.Contains(t, notes, "the file "+filepath.Join(dir, name)+" is gone; its last content stays in effect")
	}
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
