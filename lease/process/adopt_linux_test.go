package process_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease/leasetest"
)

// The first process of a container adopts what the guard leaves, and nobody else reaps it.
func TestASupervisorThatAdoptsOrphansReapsTheProgram(t *testing.T) {
	const prSetChildSubreaper = 36
	adopt := func(on uintptr) {
		_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, on, 0)
		require.Zero(t, errno)
	}
	adopt(1)
	defer adopt(0)
	folder := t.TempDir()
	stop, result := run(t, config(leasetest.NewStore().Link(), script(folder, "sleep 1000 &\n"+sleeps)))
	program, guard := started(t, folder, 1)
	require.NoError(t, syscall.Kill(guard, syscall.SIGKILL))
	started(t, folder, 2)
	require.True(t, gone(program), "nothing of it is left, not even a zombie")
	stop()
	require.ErrorIs(t, <-result, context.Canceled)
}
