//go:build unix

package main

import (
	"os"
	"syscall"
)

// forwarded are the signals that a program under run gets, too.
var forwarded = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
