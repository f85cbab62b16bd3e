package faults

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

// tiny makes a scenario short, and patient with a machine that is busy.
func tiny(t *testing.T, id string, peers ...string) *scenario {
	t.Helper()
	for _, sc := range scenarios() {
		if sc.id == id {
			sc.peers, sc.deadline, sc.rate = peers, 20*time.Second, 50
			sc.short = plan{runs: 1, hold: 400 * time.Millisecond, after: 400 * time.Millisecond, warmUp: 200 * time.Millisecond, lead: bucket}
			return sc
		}
	}
	require.Fail(t, "no scenario "+id)
	return nil
}

// here returns the peers with these ids whose programs are here.
func here(t *testing.T, ids ...string) []peer {
	t.Helper()
	r := &Report{options: Options{Log: io.Discard}}
	available := r.available(ids)
	for _, why := range r.Skipped() {
		t.Log("skipped:", why)
	}
	return available
}

func rng() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

// noTemporaryFolders expects no folder of a run to be left.
func noTemporaryFolders(t *testing.T) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "cantonlb-bench-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAServerThatIsKilledComesBackAndNoIdempotentCallOfOursIsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	t.Setenv("TMPDIR", t.TempDir())
	sc := tiny(t, idSIGKILL, idOurs, idRR)
	made, err := perform(t.Context(), sc, sc.short, rng(), here(t, idOurs, idRR))
	require.NoError(t, err)
	require.Len(t, made.marks.heals, 1)
	assert.Equal(t, made.victim, made.marks.heals[0].server)
	assert.True(t, made.marks.heals[0].at.After(made.marks.fault))
	require.Len(t, made.peers, 2)
	for id, m := range made.peers {
		assert.Positive(t, m.calls, id)
		assert.Zero(t, m.before, id)
		assert.Positive(t, m.p50, id)
		assert.Positive(t, m.clientCPU, id)
	}
	assert.Zero(t, made.peers[idOurs].failed)
	assert.Positive(t, made.ours)
	noTemporaryFolders(t)
}

func TestEveryPeerThatIsInstalledWorksAlsoWherePacketsAreDropped(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	t.Setenv("TMPDIR", t.TempDir())
	ids := []string{idOurs, "rr-outlier", "haproxy", "haproxy-tuned", "nginx", "nginx-tuned"}
	sc := tiny(t, "drop", ids...)
	if err := netns.Possible(t.Context(), "tc"); err != nil {
		t.Log("without dropped packets:", err)
		sc = tiny(t, idGoAway, ids...)
	}
	sc.short.after = 3 * time.Second // HAProxy asks every 2 s
	present := here(t, ids...)
	made, err := perform(t.Context(), sc, sc.short, rng(), present)
	require.NoError(t, err)
	require.Len(t, made.peers, len(present))
	for id, m := range made.peers {
		assert.Positive(t, m.calls, id)
		assert.Less(t, m.failed, m.calls, "%s was answered; how often depends on how busy the machine is", id)
		if strings.HasPrefix(id, "haproxy") {
			assert.Positive(t, m.probes, "%s asks for health", id)
		}
	}
	noTemporaryFolders(t)
}

func TestAnInterruptedRunLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sc := tiny(t, idSIGSTOP, idOurs, idRR)
	var all []*process
	sc.script = func(ctx context.Context, st *stage) error {
		if _, err := st.victim.hang(); err != nil {
			return err
		}
		for _, a := range st.actors {
			all = append(all, a.client.process)
		}
		for _, r := range st.replicas {
			all = append(all, r.process.process)
		}
		cancel()
		return ctx.Err()
	}
	_, err := perform(ctx, sc, sc.short, rng(), here(t, idOurs, idRR))
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, all, 5)
	for _, p := range all {
		assert.NotNil(t, p.command.ProcessState, "%s has ended and was waited for", p.name)
	}
	noTemporaryFolders(t)
}

func TestAProcessThatEndsTooSoonSaysWhy(t *testing.T) {
	r := &replica{name: "s1", config: serverConfig{Name: "s1", Address: "192.0.2.1:1", Health: "127.0.0.1:0"}}
	_, err := r.start(t.Context())
	defer r.close()
	require.ErrorContains(t, err, "s1 has ended: exit status 1")
	assert.ErrorContains(t, err, "192.0.2.1:1")

	c, err := startChild("client", childConfig{Client: &clientConfig{Peer: "nobody"}}, nil, false, func(message) {})
	require.NoError(t, err)
	defer c.close()
	_, err = c.ready(t.Context())
	assert.ErrorContains(t, err, `peer "nobody": want one of ours`)
}

func TestAnOrderThatAChildCannotCarryOutIsAnError(t *testing.T) {
	r := &replica{name: "s1", config: serverConfig{Name: "s1", Address: "127.0.0.1:0", Health: "127.0.0.1:0"}}
	_, err := r.start(t.Context())
	require.NoError(t, err)
	defer r.close()
	_, err = r.tell(t.Context(), order{Op: opReplace})
	require.ErrorContains(t, err, "s1: a server cannot replace")
	_, err = r.tell(t.Context(), order{Op: opHealth})
	assert.NoError(t, err, "and it goes on")
}

func TestTheTailOfWhatAProcessSaysIsKept(t *testing.T) {
	var kept tail
	for range 3 * tailSize / 10 {
		n, err := kept.Write([]byte("0123456789"))
		require.NoError(t, err)
		require.Equal(t, 10, n)
	}
	_, err := kept.Write([]byte("the end\n"))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(kept.String()), tailSize)
	assert.True(t, strings.HasSuffix(kept.String(), "789the end"))
}

func TestAProxyThatIsNotInstalledIsSkippedWithAMessage(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var log strings.Builder
	r := &Report{options: Options{Log: &log}}
	here := r.available([]string{idRR, "nginx", "nginx-tuned"})
	require.Len(t, here, 1)
	assert.Equal(t, idRR, here[0].id)
	assert.Len(t, r.Skipped(), 2)
	assert.Contains(t, log.String(), "skipped: peer nginx-tuned: nginx is not installed")

	tasks := Options{Scenarios: []string{"drop", idSIGKILL}, Runs: 1}.schedule()
	r.leaveOut(t.Context(), &tasks, here)
	require.Len(t, tasks, 1)
	assert.Equal(t, idSIGKILL, tasks[0].scenario.id)
	assert.Contains(t, log.String(), "skipped: fault drop: nsenter is not installed")
}

func TestARunThatWasInterruptedGivesWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := Run(ctx, Options{Scenarios: []string{idSIGKILL}, Runs: 1})
	require.ErrorIs(t, err, context.Canceled)
	var out strings.Builder
	require.NoError(t, report.WriteTables(&out))
	assert.Equal(t, "nothing measured\n", out.String())
	assert.ErrorContains(t, report.WriteDocs(t.TempDir()), "nothing was measured")
}
