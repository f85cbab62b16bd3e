// Package nettest has peers for tests that take a real network: a DNS server
// whose answers a test changes, and an HTTP proxy that makes tunnels.
//
// # Why
//
// How names and proxies are treated shows only with a resolver and a proxy of
// another make at the far end. Both listen on 127.0.0.1 and stop by t.Cleanup.
package nettest
