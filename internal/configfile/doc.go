// Package configfile reads configuration files and notices when they change.
//
// # Why
//
// Whoever keeps a list of servers in a file wants to be told which line is wrong,
// and not to find out by an outage that a key was misspelt or that a file was read
// while it was being written. So a file is read strictly, every error has its
// line and column, and a watched file is read again only when it has come to rest.
//
// # The language
//
// YAML 1.2, of which JSON is a part, and less than all of it: one document in
// UTF-8 of at most [MaxSize] bytes and [MaxDepth] levels, without anchors, aliases,
// merge keys, tags and non-decimal numbers. A file so takes no more memory than a
// fixed multiple of its size, and means what it seems to mean. It is turned into
// JSON, for the strict readers of package strictjson; their errors get their
// positions here.
//
// # Watching
//
// Directories are watched and not the file, since a good editor replaces it, as
// does Kubernetes, which swaps a symbolic link above it: all directories that lead
// to it by such links. The file is read again 50 ms after the last change there,
// or 500 ms after the first, and every ten seconds in any case, for file systems
// that tell of nothing.
package configfile
