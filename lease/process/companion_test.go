//go:build unix

package process_test

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/process"
)

func TestACompanionRunsAsLongAsTheProgram(t *testing.T) {
	t.Parallel()
	s, folder, beside := leasetest.NewStore(), t.TempDir(), t.TempDir()
	cfg := config(s.Link(), script(folder, `until [ -s `+beside+`/pids ]; do sleep 0.01; done`))
	cfg.With = []process.Companion{{Command: script(beside, "trap '' TERM\n"+sleeps)}}
	require.NoError(t, process.Run(t.Context(), cfg))
	require.Len(t, pids(beside), 1)
	assert.True(t, gone(pids(beside)[0][0]), "it is gone when Run returns, although it ignores SIGTERM")
	free(t, s)
}

func TestACompanionIsRestartedOnItsOwnHealth(t *testing.T) {
	waits(t)
	h := newHealth(t)
	folder, beside := t.TempDir(), t.TempDir()
	cfg := config(leasetest.NewStore().Link(), script(folder, sleeps))
	cfg.With = []process.Companion{{Command: script(beside, sleeps), Health: h.URL}}
	cfg.HealthCheck = tolerant
	run(t, cfg)
	first, _ := started(t, beside, 1)
	started(t, folder, 1)
	h.awaitHealthy()
	h.answer.Store(http.StatusServiceUnavailable)
	awaitGone(t, first)
	h.answer.Store(http.StatusOK)
	started(t, beside, 2)
	assert.Len(t, pids(folder), 1, "the program was left alone")
}

func TestACompanionThatEndsIsRestartedAndEndsAllIfThatDoesNotHelp(t *testing.T) {
	t.Parallel()
	s, folder, beside := leasetest.NewStore(), t.TempDir(), t.TempDir()
	cfg := config(s.Link(), script(folder, sleeps))
	cfg.With = []process.Companion{{Command: script(beside, "exit 0")}}
	cfg.Restart = 2
	err := process.Run(t.Context(), cfg)
	require.ErrorIs(t, err, process.ErrNotHelped)
	assert.ErrorContains(t, err, "code 0, although")
	assert.Len(t, pids(beside), 3, "once, and twice again")
	for _, p := range pids(folder) {
		assert.True(t, gone(p[0]))
	}
	free(t, s)
}

func TestALostLeaseEndsTheCompanionToo(t *testing.T) {
	waits(t)
	folder, beside := t.TempDir(), t.TempDir()
	link := leasetest.NewStore().Link()
	cfg := expiring(link, script(folder, "trap '' TERM\n"+sleeps))
	cfg.With = []process.Companion{{Command: script(beside, "trap '' TERM\n"+sleeps)}}
	run(t, cfg)
	program, _ := started(t, folder, 1)
	companion, guard := started(t, beside, 1)
	require.NoError(t, syscall.Kill(guard, syscall.SIGSTOP))
	link.Cut()
	began := time.Now()
	awaitGone(t, program)
	awaitGone(t, companion)
	assert.Less(t, time.Since(began), ttl+patience/10)
}
