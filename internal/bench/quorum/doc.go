// Package quorum measures what it costs to have several members agree on an answer.
//
// # Why
//
// A read that several members have to agree on takes longer than a call to one, and
// makes more requests. How much is what this suite says: beside one plain call, beside
// asking all and waiting for all, and beside the control, which asks all and takes the
// first f + 1 equal answers, the fastest that is right. The servers are real gRPC servers
// on loopback that take 5 to 20 ms for each answer; of the faulty ones one hangs, and the
// others lie.
//
//	go run ./internal/bench quorum -short
//	go run ./internal/bench quorum -write docs
package quorum
