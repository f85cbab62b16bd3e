// Package configfile makes a client of a config file, and follows the file.
//
// # Why
//
// A list of servers that stands in a file is changed while the program runs, by
// people and by Kubernetes. They want to be told which line is wrong, and not to
// find out by an outage that a key was misspelt or that the file was read while it
// was being written. So a file is read strictly, every error has its line and column
// and all are reported at once, and a followed file is read again only when it has
// come to rest. A file that is bad changes nothing.
//
//	client, err := configfile.NewClient("/etc/lb.yaml")
//
// [Load] and [Parse] return the cantonlb.Config that a file describes, without a
// client. YAML and file notifications are linked by this package alone: a program
// that has its endpoints in Go does not need them.
//
// # The language
//
// YAML 1.2, of which JSON is a part, and less than all of it: one document in UTF-8
// of at most 1 MiB and 16 levels, without anchors, aliases, merge keys, tags and
// non-decimal numbers. A file so takes no more memory than a fixed multiple of its
// size, and means what it seems to mean. docs/config.md lists the keys, and
// docs/config.schema.json is a JSON Schema of them for editors.
//
// # Following
//
// The directories that lead to the file are watched and not the file, since a good
// editor replaces it, as does Kubernetes, which swaps a symbolic link above it. The
// file is read again 50 ms after the last change there, or 500 ms after the first,
// and every ten seconds in any case, for file systems that send no notifications.
// Client.Status shows in its File how that goes, and Client.Close ends it.
package configfile
