//go:build !linux

package faults

import (
	"errors"
	"os"
	"runtime"
	"time"
)

var errNotHere = errors.New("not on " + runtime.GOOS)

func hang(*os.Process) error { return errNotHere }
func goOn(*os.Process) error { return errNotHere }

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }

func cpuTime() time.Duration { return 0 }

func machineTime() (all, idle float64) { return 0, 0 }

func machine() string { return runtime.GOOS + "/" + runtime.GOARCH }
