// Package cli is what the examples' command lines have in common.
//
// # Why
//
// Each example that is pointed at real servers reads a list of endpoints from a
// flag, has to be told how to trust them, and shows when the client's status has
// changed. Here that is done once, so that an example's main.go is about cantonlb.
//
// # Defaults
//
// A list has none. Without -plaintext and -ca, http:// addresses are plaintext,
// https:// addresses are TLS with the system's root certificates, and for
// addresses without either the client says that credentials are missing.
package cli
