//go:build unix

package k8slease_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
)

func TestMain(m *testing.M) {
	proctest.Child(openChild)
	goleak.VerifyTestMain(m)
}
