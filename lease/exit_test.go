package lease_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
)

// stuckEnv has the test's own binary be a process whose work does not return.
const stuckEnv = "CANTONLB_TEST_STUCK"

func TestAProcessWhoseWorkIsStuckEndsIfItShould(t *testing.T) {
	if os.Getenv(stuckEnv) != "" {
		link := leasetest.NewStore().Link()
		_ = lease.Run(t.Context(), lease.Config{Store: link, Name: "pink", TTL: time.Second, ExitWhenStuck: true},
			func(context.Context, lease.Lease) error {
				link.Cut()
				select {}
			})
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), stuckEnv+"=1")
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, lease.ExitCodeStuck, exit.ExitCode(), "%s", output)
	assert.Contains(t, string(output), "lease stuck")
}
