package configfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks bounds the symbolic links that lead to a file, as the system does.
const maxLinks = 40

// directories returns the directories in which a change can change the content at path:
// that of the file, and those of all symbolic links on the path to it. If a part of the
// path does not exist, the last directory is the one in which it may be created.
func directories(path string) []string {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	var dirs []string
	done := string(filepath.Separator)
	rest := strings.Split(strings.TrimPrefix(path, done), done)
	for links := 0; len(rest) > 0 && links <= maxLinks; {
		step := filepath.Join(done, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(step)
		if errors.Is(err, fs.ErrNotExist) || err != nil && len(rest) == 0 { // it may be created later, or it is the file
			dirs = append(dirs, done)
			break
		}
		if err != nil { // not a link
			done = step
			continue
		}
		links++
		dirs = append(dirs, done)
		if !filepath.IsAbs(target) {
			target = filepath.Join(done, target)
		}
		parts := strings.Split(strings.TrimPrefix(filepath.Clean(target), string(filepath.Separator)), string(filepath.Separator))
		rest = append(parts, rest...)
		done = string(filepath.Separator)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
