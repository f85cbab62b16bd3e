// Package quorum measures the cost of an answer that several members agree on.
//
// # Why
//
// A read that several members must agree on takes longer than a call to one, and
// makes more requests. This suite measures how much, in comparison with one plain
// call, with asking all members and waiting for all, and with the control. The
// control asks all members and takes the first f + 1 equal answers, which is the
// fastest correct way. The servers are real gRPC servers on loopback that take 5 to
// 20 ms for each answer. One of the faulty servers hangs, and the others lie.
//
//	go run ./internal/bench quorum -short
//	go run ./internal/bench quorum -write docs
package quorum
