// Package names looks up the addresses of host names, and keeps the last good answer of
// each.
//
// # Why
//
// A look-up belongs to a name, not to one attempt to connect. If the first name server
// is dead, a look-up takes longer than an attempt may take, so it would never end in
// time. If the name server fails or hangs, the addresses that were reached a minute ago
// are still the best that is known. net.Dialer knows neither: it looks the name up for
// each connection, within its timeout.
//
// # Defaults
//
// Look-ups of the same name that are wanted at the same time are one. A look-up goes on
// when those who wait for it give up, for at most 30 s, so that the next attempt has its
// answer. If there is an earlier answer, it is used after 50 ms; addresses that the
// look-up finds later are passed on. An IPv4 address follows an IPv6 address and the
// other way round, as in RFC 8305.
package names
