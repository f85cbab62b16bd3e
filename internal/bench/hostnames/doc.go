// Package hostnames measures how clients connect to a server by a name whose addresses or
// name servers fail: this library, and grpc's resolver dns with pick_first and with
// round_robin.
//
// # Why
//
// A name with several addresses hides failures only if the client tries the next address
// soon enough. A client can also be worse than no load balancer at all, if it gives up
// while a name server is slow, or forgets addresses that were good. So the peers are
// measured under the same failures, in one run.
//
// # How
//
// The servers, the addresses that fail and the name servers are real sockets on loopback.
// An address that drops packets is a socket whose queue of connections is full, so that
// Linux drops each SYN. Each peer has a name server and addresses of its own, and all run
// at the same time. Each makes 50 calls a second from its start on, with a deadline of 10 s,
// which are not idempotent and do not wait for ready. Counted are the time until the first call
// succeeds, the calls that fail, and the connections that are accepted.
package hostnames
