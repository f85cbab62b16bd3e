// Package reresolve detects that an endpoint's name no longer resolves to the
// address that the endpoint is connected to.
//
// # Why
//
// A name is resolved when a connection is made, and a good connection can last for
// months. If a server is moved by changing its DNS record and the old server keeps
// answering, a client would stay with the old server until that is switched off.
// Operators who move servers in this way expect clients to follow earlier.
//
// # Defaults
//
// Nothing is looked up unless it is configured. A round looks up each name once,
// eight at a time, with five seconds for each. A name that cannot be looked up
// changes nothing: existing connections stay. If the address in use is missing from the
// answer, the name is looked up seven more times, 100 ms apart, and an endpoint moves
// after three rounds in a row without the address: a name server may return a part of
// its addresses.
package reresolve
