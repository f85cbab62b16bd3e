//go:build !unix

package main

import "github.com/cantonlb/cantonlb/examples/internal/child"

const canStop = false

func stopProcess(*child.Process) error   { return nil }
func resumeProcess(*child.Process) error { return nil }
