// Package cli holds what the examples' command lines have in common.
//
// # Why
//
// Each example for real servers reads a list of endpoints and how to trust them
// from flags, and shows when the client's status has changed. This package
// implements that once, so that an example's main.go is about cantonlb.
//
// # Defaults
//
// A list has none. Without -plaintext and -ca, http:// addresses are plaintext,
// https:// addresses are TLS with the system's root certificates, and for addresses
// without a scheme the client reports that credentials are missing.
package cli
