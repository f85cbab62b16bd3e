// Package recordpb is the gRPC service that the examples call.
//
// # Why
//
// The examples need an ordinary service to call: a .proto file with generated
// stubs, like those of the reader's own services. Its answers contain the server's
// name, so that an example can show which server answered.
//
// There is nothing to set: Records has one method, Read, without side effects.
//
// To generate the stubs again after a change of record.proto, run go generate
// here. It needs Node.js, for buf.
package recordpb

//go:generate npx --yes @bufbuild/buf@1.75.0 generate
