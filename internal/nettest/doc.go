// Package nettest provides peers for tests on a real network: a DNS server whose
// answers a test can change, and an HTTP proxy that makes tunnels.
//
// # Why
//
// The handling of names and proxies can only be tested against an independent
// resolver and proxy. Both listen on 127.0.0.1 and stop by t.Cleanup.
package nettest
