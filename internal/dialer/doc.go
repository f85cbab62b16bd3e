// Package dialer makes the connections to endpoints.
//
// # Why
//
// grpc's own handling of HTTPS_PROXY takes the place of the resolver's list, and
// with it of each endpoint's identity. And grpc's DNS resolver makes one endpoint
// out of many names, of which a single bad one fails them all. So names are
// resolved here, one endpoint at a time and at each connect, and so is the
// question whether a proxy leads to it. Probes on other ports and knocks go the
// same way, since what is to be learnt is whether that way is open.
//
// # Defaults
//
// A host name is resolved by the system, and its IPv6 and IPv4 addresses are
// raced as RFC 8305 (Happy Eyeballs) has it. The proxy is that of HTTPS_PROXY,
// for endpoints without TLS as well, as grpc has it, unless NO_PROXY names the
// endpoint; localhost and loopback addresses are never reached by a proxy. The
// proxy resolves the names of the endpoints behind it. It is asked for a tunnel
// by CONNECT, over TCP or, if its URL says https, over TLS.
package dialer
