// Package demo provides the servers that an example starts in its own process if it
// has no list of real ones.
//
// # Why
//
// A reader should be able to run an example without a Canton node. The servers
// speak gRPC over loopback TCP and report their health as a node does, but they are
// not Canton: they show the client, not the node.
//
// # Defaults
//
// A server is NOT_SERVING for every health service until SetServing.
package demo
