//go:build unix

package process_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/lease/process"
)

func TestMain(m *testing.M) {
	process.Guard()
	supervise()
	goleak.VerifyTestMain(m)
}
