// Package telling tells of what happens in a set of endpoints: to those who follow its
// events, to the log, and to grpc's recorder of metrics.
//
// # Why
//
// A log handler and a recorder are the program's own. They may be slow, block, panic, or
// call back into the client, which takes the set's lock. So the set never calls them: it
// hands what there is to tell to a [Teller], which takes no lock but leaves, does not
// wait, and calls out from goroutines of its own, in order, with no lock held.
//
// # Parts
//
//	teller.go    the way in
//	log.go       an event as a line of the log; sink.go where lines go
//	loglimit.go  how many lines there are; reporter.go writes them
//	metrics.go   what grpc's recorder is told
//
// # Bounds
//
// The newest 1,024 events are kept. A log that is slower than that misses events, and a
// line says how many. A recorder that is slower by more than 65,536 records misses
// records, and a line says so.
package telling
