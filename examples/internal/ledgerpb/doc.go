// Package ledgerpb is a gRPC service in the shape of a participant's Ledger API.
//
// # Why
//
// The example participant-failover shows what a client of a participant sees while
// one replica takes over from another. The real Ledger API has about fifty methods.
// Two are enough for that: one that writes, with a command id that makes it safe to
// repeat, and one that streams from an offset.
//
// There is nothing to set. The package's protobuf name is unique, so that a program
// may link the real Ledger API as well.
//
// To generate the stubs again after a change of ledger.proto, run go generate
// here. It needs Node.js, for buf.
package ledgerpb

//go:generate npx --yes @bufbuild/buf@1.75.0 generate
