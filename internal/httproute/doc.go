// Package httproute finds what is known of an HTTP request by its method and path.
//
// # Why
//
// Whether a request changes something, and which party it is about, depends on its route,
// such as "GET /v2/users/{user-id}". The multiplexer of net/http is for servers: it
// redirects paths that it finds unclean, where a client has to send what it was given.
package httproute
