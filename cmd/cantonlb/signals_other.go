//go:build !unix

package main

import "os"

// forwarded is empty: run does not work on this system.
var forwarded []os.Signal
