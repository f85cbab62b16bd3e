package netns_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// idle starts a process that has a namespace and does nothing.
func idle(t *testing.T) (pid int) {
	t.Helper()
	c := exec.Command("sleep", "60")
	netns.Separate(c, true)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	})
	return c.Process.Pid
}

func TestPacketsAreLostInOneDirectionUntilTheyAreNot(t *testing.T) {
	if err := netns.Possible(t.Context()); err != nil {
		t.Skipf("network namespaces are not possible here: %v", err)
	}
	hub, far := idle(t), idle(t)
	require.NoError(t, netns.Up(t.Context(), hub))
	require.NoError(t, netns.Connect(t.Context(), hub, far, 1))
	// A port that nobody listens on refuses at once, if packets arrive in both directions.
	passes := func(limit string) bool {
		err := netns.Inside(t.Context(), far, "", "timeout", limit, "bash", "-c", "exec 3<>/dev/tcp/"+netns.HubHost(1)+"/9")
		require.Error(t, err, "nobody listens")
		return strings.Contains(err.Error(), "refused")
	}
	require.True(t, passes("10"))
	for _, lossy := range []struct {
		pid   int
		iface string
	}{{hub, netns.HubInterface(1)}, {far, netns.FarInterface}} {
		require.NoError(t, netns.Drop(t.Context(), lossy.pid, lossy.iface))
		require.False(t, passes("0.2"))
		require.NoError(t, netns.Restore(t.Context(), lossy.pid))
		require.True(t, passes("10"))
	}
	require.ErrorContains(t, netns.Restore(t.Context(), far), "nft", "there is nothing to restore")
	require.Error(t, netns.Up(t.Context(), 1<<30), "no such process")
}

func TestAProgramThatIsNeededIsNamed(t *testing.T) {
	require.ErrorContains(t, netns.Possible(t.Context(), "no-such-program"), "no-such-program")
}
