//go:build !unix

package filestate

import "io/fs"

// unlinked reports false: the system does not tell.
func unlinked(fs.FileInfo) bool { return false }
