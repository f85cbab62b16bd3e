//go:build !unix

package main

// hanging is empty on systems where a process cannot be stopped and continued.
var hanging []step
