// Package probes makes the probes of an endpoint whose health is not, or not only, checked
// on the connection of its calls.
//
// # Why
//
// A server may report its health on another port or as a page over HTTP, and a connection
// that is full of calls cannot tell a busy server from one that hangs. Such probes have
// connections of their own, which are made as those of the calls are: with the same
// credentials, dialer and proxy, and to the same addresses of a name.
package probes
