// Package socket knows the addresses of Unix domain sockets.
//
// # Why
//
// A proxy beside the program (a sidecar) often listens on a Unix domain socket. Its
// address has no host and no port, so everything that takes an address apart has to ask
// here first.
package socket

import "strings"

// Path returns the path of the socket that an address to dial names, in the form of
// package net: "/path", a relative path, or "@name" in the abstract namespace. The forms
// are those of grpc: unix:///path, unix:path and unix:@name. It returns false for any
// other address.
func Path(address string) (path string, ok bool) {
	path, ok = strings.CutPrefix(address, "unix:")
	if rest, slashes := strings.CutPrefix(path, "//"); slashes {
		path = rest
	}
	return path, ok && path != ""
}

// Address returns the address to dial of a socket with this path.
func Address(path string) string {
	if strings.HasPrefix(path, "/") {
		return "unix://" + path
	}
	return "unix:" + path
}

// Network returns the network and the address with which package net dials an address:
// "unix" for a socket, and otherwise "tcp" and the address itself.
func Network(address string) (network, at string) {
	if path, ok := Path(address); ok {
		return "unix", path
	}
	return "tcp", address
}
