// Package telling reports what happens in a set of endpoints: to the followers of its
// events, to the log, and to grpc's metrics recorder.
//
// # Why
//
// A log handler and a recorder are code of the program. They may be slow, block,
// panic, or call back into the client, which takes the set's lock. So the set never
// calls them. It passes everything to a [Teller], which takes only leaf locks, does
// not wait, and calls out from goroutines of its own, in order, with no lock held.
//
// # Parts
//
//	teller.go    the way in
//	log.go       an event as a line of the log; sink.go where lines go
//	loglimit.go  how many lines there are; reporter.go writes them
//	metrics.go   what grpc's recorder records
//
// # Bounds
//
// The newest 1,024 events are kept. A log that falls further behind misses events, and
// a line reports how many. A recorder that falls behind by more than 65,536 records
// misses records, and a line reports that.
package telling
