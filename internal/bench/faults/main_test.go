package faults

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the processes that the tests start be what they are to be.
func TestMain(m *testing.M) {
	if code, is := Child(); is {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}
