// Package reresolve notices that the name of an endpoint has come to mean
// another address than the one that it is connected to.
//
// # Why
//
// A name is resolved when a connection is made, and a good connection lasts for
// months. Where a server is moved by changing its DNS record, and the old one
// goes on answering for a while, a client would stay with the old one until that
// is switched off. Whoever moves servers so wants clients to follow before.
//
// # Defaults
//
// Nothing is looked up unless it is asked for. A round takes each name once,
// eight at a time, with five seconds for each. A name that cannot be looked up
// changes nothing: what is connected stays so.
package reresolve
