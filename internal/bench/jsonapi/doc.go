// Package jsonapi measures clients of two HTTP servers while the servers are killed,
// stopped, slowed and restarted: this library's, those of net/http and of other
// projects, and proxies in front of the servers.
//
// The servers are processes of their own, so that a kill is a kill. All clients make the
// same GETs at the same rate, each with the same deadline. A request has failed if it has
// no response, or one with a status of 500 or more, before its deadline.
package jsonapi
