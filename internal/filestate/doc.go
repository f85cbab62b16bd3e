// Package filestate reports files whose content can no longer change, or that are gone,
// although the program follows them.
//
// # Why
//
// A container can mount a single file. Most programs replace a file by renaming another
// one over it, and the mount then still shows the old file, for ever and without an
// error. Such a file has no link left, which can be seen. A directory that is gone is
// similar: what the program has read stays in effect, and nothing else is ever read.
package filestate
