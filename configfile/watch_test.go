package configfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// news records what a watcher has reported.
type news struct {
	data string
	err  error
}

// watching watches a file, and returns what the watcher reports.
func watching(t *testing.T, path, seen string) <-chan news {
	t.Helper()
	told := make(chan news, 1000)
	w := watch(path, []byte(seen), func(data []byte, err error) { told <- news{string(data), err} })
	t.Cleanup(w.close)
	return told
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// replace replaces a file by another one atomically.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	require.NoError(t, os.Rename(path+".new", path))
}

func TestEveryKindOfChangeIsToldOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "0")
	told := watching(t, path, "0")
	write(t, path, "1")
	assert.Equal(t, news{data: "1"}, testkit.Receive(t, told))
	replace(t, path, "2")
	assert.Equal(t, news{data: "2"}, testkit.Receive(t, told))

	require.NoError(t, os.Remove(path))
	n := testkit.Receive(t, told)
	require.EqualError(t, n.err, path+": no such file or directory")
	write(t, path, "2")
	assert.Equal(t, news{data: "2"}, testkit.Receive(t, told), "what is back is told of, though it is the same")
	require.NoError(t, os.Rename(path, path+".old"))
	require.Error(t, testkit.Receive(t, told).err)
	require.NoError(t, os.Rename(path+".old", path))
	assert.Equal(t, news{data: "2"}, testkit.Receive(t, told))
}

func TestAChangeBetweenReadingAndWatchingIsToldOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "new")
	assert.Equal(t, news{data: "new"}, testkit.Receive(t, watching(t, path, "old")))
}

func TestSwapsOfSymbolicLinksAreToldOf(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	content := func(version, text string) {
		require.NoError(t, os.Mkdir(at(version), 0o700))
		write(t, at(version, "f"), text)
	}
	swap := func(version string) { // as Kubernetes does
		require.NoError(t, os.Symlink(version, at("..data_tmp")))
		require.NoError(t, os.Rename(at("..data_tmp"), at("..data")))
	}
	content("..1", "1")
	require.NoError(t, os.Symlink("..1", at("..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "f"), at("f")))
	told := watching(t, at("f"), "1")
	for _, version := range []string{"2", "3", "4"} {
		content(".."+version, version)
		swap(".." + version)
		assert.Equal(t, news{data: version}, testkit.Receive(t, told))
	}
	write(t, at("..4", "f"), "5") // the file that the link leads to now
	assert.Equal(t, news{data: "5"}, testkit.Receive(t, told))
	require.NoError(t, os.RemoveAll(at("..1")))
	swap("..2")
	assert.Equal(t, news{data: "2"}, testkit.Receive(t, told))
}

// A link above the directory of the file.
func TestADirectoryMayBeSwappedAsAWhole(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"1", "2"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "f"), version)
	}
	current := filepath.Join(dir, "current")
	require.NoError(t, os.Symlink("1", current))
	told := watching(t, filepath.Join(current, "f"), "1")
	require.NoError(t, os.Symlink("2", current+".new"))
	require.NoError(t, os.Rename(current+".new", current))
	assert.Equal(t, news{data: "2"}, testkit.Receive(t, told))
}

func TestADirectoryMayComeBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "f")
	write(t, path, "1")
	told := watching(t, path, "1")
	require.NoError(t, os.RemoveAll(dir))
	require.Error(t, testkit.Receive(t, told).err)
	require.NoError(t, os.Mkdir(dir, 0o700))
	write(t, path, "2")
	assert.Equal(t, news{data: "2"}, testkit.Receive(t, told), "found at the latest by looking now and then")
}

// Other files come and go in the same directory all the time.
func TestWhatDoesNotConcernTheFileIsNotToldOf(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "1")
	told := watching(t, path, "1")
	for range 50 {
		replace(t, filepath.Join(dir, "other"), "x")
		replace(t, path, "1") // the same content
	}
	replace(t, path, "2")
	assert.Equal(t, news{data: "2"}, testkit.Receive(t, told))
	assert.Empty(t, told)
}

// A directory that never stops changing does not prevent a change from being detected.
func TestAChangeIsToldOfThoughTheDirectoryIsRestless(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write(t, path, "1")
	told := watching(t, path, "1")
	replace(t, path, "2")
	for {
		write(t, filepath.Join(dir, "other"), "x")
		select {
		case n := <-told:
			assert.Equal(t, news{data: "2"}, n)
			return
		default:
		}
	}
}

func TestNothingIsToldOfAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, "1")
	told := make(chan news, 10)
	w := watch(path, []byte("1"), func(data []byte, err error) { told <- news{string(data), err} })
	w.close()
	w.close()
	write(t, path, "2")
	assert.Empty(t, told)
}
