// Package dialer opens the connections to endpoints.
//
// # Why
//
// grpc's own handling of HTTPS_PROXY replaces the resolver's list, and with it the
// identity of each endpoint. With grpc's DNS resolver, a single bad name makes all
// names of a list fail. Therefore names are resolved here, by package names, for one
// endpoint at a time and at each connect, and so is the choice of a proxy. Probes on
// other ports and knocks use the same path, since they determine whether that path
// works.
//
// For a SubConn, the dialer connects to one address only and reports the others to the
// policy, which races them over the whole handshake. For everything else, the dialer
// races the addresses itself.
//
// # Defaults
//
// A host name is resolved by the system, and its addresses are raced as in RFC 8305
// (Happy Eyeballs): the next one is tried 250 ms after the one before, or when that has
// failed. So are the addresses of a proxy, up to its answer. The proxy is that of HTTPS_PROXY, also for
// endpoints without TLS, as in grpc, unless NO_PROXY names the endpoint. localhost
// and loopback addresses are never reached through a proxy. The proxy resolves the
// names of the endpoints behind it. The tunnel is requested by CONNECT, over TCP
// or, if the proxy's URL is https, over TLS.
package dialer
