package quorum

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if addrs := os.Getenv(consumerEnv); addrs != "" {
		os.Exit(consume(addrs, os.Getenv(consumerFileEnv)))
	}
	goleak.VerifyTestMain(m)
}
