// Package link forwards connections, and can be cut.
//
// # Why
//
// A network partition is not a refused connection: packets are dropped, connections stay
// open, and both ends wait. An example that shows what a program does then needs a network
// between its own processes that it can cut, without the rights of an administrator.
package link
