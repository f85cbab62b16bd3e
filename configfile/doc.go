// Package configfile makes a client from a config file and follows the file.
//
// # Why
//
// People and Kubernetes change the list of servers in a file while the program runs.
// They need to know which line is wrong; they must not learn from an outage that a key
// was misspelt or that the file was read while it was being written. A file is
// therefore read strictly, every error has its line and column, and all errors are
// reported at once. A followed file is read again only after it has stopped changing. A
// bad file changes nothing.
//
//	client, err := configfile.NewClient("/etc/lb.yaml")
//
// [Load] and [Parse] return the cantonlb.Config that a file describes, without a
// client. [NewJSONAPIClient], [LoadJSONAPI] and [ParseJSONAPI] do the same for the
// client of an HTTP service, of package jsonapi; the role in the file says which kind of
// client it is for. [NewRouter], [LoadShards] and [ParseShards] do it for a router of
// shards with all its clients, of package shard, whose file has the key shards. Only
// this package links YAML and file notifications: a program that has its
// endpoints in Go does not need them.
//
// # The language
//
// The language is a subset of YAML 1.2 that includes JSON, except that a character beyond
// U+FFFF stands for itself and not as a pair of \u escapes: one document in UTF-8 of at
// most 1 MiB and 16 levels, without anchors, aliases, merge keys, tags and non-decimal
// numbers. A file therefore takes no more memory than a fixed multiple of its size, and
// has no surprising meaning. docs/config.md lists the keys, and docs/config.schema.json
// is a JSON Schema of them for editors.
//
// # Following
//
// The package watches the directories that lead to the file, and not the file itself:
// editors often replace the file, and Kubernetes swaps a symbolic link above it. The
// file is read again 50 ms after the last change in these directories, or 500 ms after
// the first, and every ten seconds in any case, for file systems that send no
// notifications. The field File of Client.Status reports the state of the file, and
// Client.Close ends the watch.
package configfile
