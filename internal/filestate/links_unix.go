//go:build unix

package filestate

import (
	"io/fs"
	"syscall"
)

// unlinked reports whether no directory has the file any more.
func unlinked(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink == 0
}
