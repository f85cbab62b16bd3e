// Package recordpb is the gRPC service that the examples call.
//
// # Why
//
// The examples need a service to call, and it has to be an ordinary one: a
// .proto file with generated stubs, as a reader has for their own. Its answers
// carry the server's name, so that an example can tell who served.
//
// There is nothing to set: Records has one method, Read, without side effects.
//
// To generate the stubs again after a change of record.proto, run go generate
// here. It needs Node.js, for buf.
package recordpb

//go:generate npx --yes @bufbuild/buf@1.75.0 generate
