//go:build unix

package child_test

import (
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/examples/internal/child"
)

// A terminal sends Ctrl-C to a whole group: a child that ended by it would be gone before
// the program that it works for has ended in order.
func TestCtrlCInATerminalIsNotForAChild(t *testing.T) {
	lines := make(chan string, 10)
	p, err := child.Start([]string{partEnv + "=pid"}, func(line string) { lines <- line })
	require.NoError(t, err)
	defer p.Close()
	pid, err := strconv.Atoi(next(t, lines))
	require.NoError(t, err)
	group, err := syscall.Getpgid(pid)
	require.NoError(t, err)
	assert.Equal(t, pid, group)
	assert.NotEqual(t, syscall.Getpgrp(), group)
}
