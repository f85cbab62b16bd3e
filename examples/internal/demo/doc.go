// Package demo is the servers that an example starts in its own process when it
// is given no list of real ones.
//
// # Why
//
// A curious reader should see an example work without a Canton node at hand.
// The servers speak gRPC over loopback TCP and tell their health as a node does,
// but they are not Canton: they show the client, not the node.
//
// # Defaults
//
// A server is NOT_SERVING for every health service until SetServing.
package demo
