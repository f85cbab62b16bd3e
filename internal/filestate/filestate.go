package filestate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// The problems of a file, as text that follows its path.
const (
	replaced = "was replaced, and a mount of this single file still shows the old content: mount its directory"
	gone     = "is gone"
	goneDir  = "is gone, and so is its directory"
)

// Problem returns why changes of the file at path can no longer be seen, as text that
// follows the path, or "" if they can.
func Problem(path string) string {
	info, err := os.Stat(path)
	switch {
	case err == nil && unlinked(info):
		return replaced
	case !errors.Is(err, fs.ErrNotExist):
		return "" // reading it reports any other error
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return goneDir
	}
	return gone
}
