package cantonlb_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestADurationWithoutAUnitIsAnError(t *testing.T) {
	for field, change := range map[string]func(*cantonlb.Config){
		"healthCheck.interval":        func(c *cantonlb.Config) { c.HealthCheck.Interval = 5 },
		"healthCheck.timeout":         func(c *cantonlb.Config) { c.HealthCheck.Timeout = 5 },
		"healthCheck.suspectInterval": func(c *cantonlb.Config) { c.HealthCheck.SuspectInterval = 5 },
		"healthCheck.silence":         func(c *cantonlb.Config) { c.HealthCheck.Silence = 5 },
		"ejection.baseTime":           func(c *cantonlb.Config) { c.Ejection.BaseTime = 5 },
		"deadAfter":                   func(c *cantonlb.Config) { c.DeadAfter = 5 },
		"failover.drain":              func(c *cantonlb.Config) { c.Policy, c.Failover.Drain = cantonlb.ActivePassive, 5 },
		"failover.holdDown":           func(c *cantonlb.Config) { c.Policy, c.Failover.HoldDown = cantonlb.ActivePassive, 5 },
	} {
		c := cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "http://a:1"}}}
		change(&c)
		faults := configerr.All(c.Check())
		require.Len(t, faults, 1, field)
		assert.Equal(t, field, faults[0].Field)
		assert.Equal(t, `"5ns"`, faults[0].Value)
		assert.Contains(t, faults[0].Want, "at least")
	}
}

func TestProbesAreNotMadeMoreOftenThanEvery10Milliseconds(t *testing.T) {
	c := cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "http://a:1"}}}
	for _, h := range []healthcheck.Config{{Interval: 9 * time.Millisecond}, {SuspectInterval: 9 * time.Millisecond}} {
		c.HealthCheck = h
		assert.ErrorContains(t, c.Check(), `nterval "9ms": want a duration of at least "10ms"`)
	}
	c.HealthCheck = healthcheck.Config{Interval: 10 * time.Millisecond}
	assert.NoError(t, c.Check())
}

func TestTwoClientsWithOneNameAreWarnedAboutOnce(t *testing.T) {
	lines := new(logLines)
	logger := lines.logger(slog.LevelWarn)
	open := func(name, endpoint string) *cantonlb.Client {
		client, err := cantonlb.NewClient(cantonlb.Config{
			Name: "shared-" + name, Logger: logger, HealthCheck: healthcheck.Config{Disabled: true},
			Endpoints: []cantonlb.Endpoint{{Name: endpoint, Address: "http://" + silentServer(t)}},
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	shared := func() (out []map[string]any) {
		for _, l := range lines.all(t) {
			if strings.HasPrefix(l["msg"].(string), "two clients") {
				out = append(out, l)
			}
		}
		return out
	}
	first := open("a", "seq1")
	open("b", "seq2")
	assert.Empty(t, shared())
	second := open("a", "seq3")
	open("a", "seq4")
	require.Len(t, shared(), 1)
	assert.Equal(t, "static:///shared-a", shared()[0]["target"])
	assert.Equal(t, "seq3", shared()[0]["endpoints"])
	assert.Equal(t, "seq1", shared()[0]["others"])
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}

func TestAnIdempotentMethodThatNoServiceHasIsNoted(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{
		Idempotent: []string{"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Chek", "/grpc.health.v1.Health/*", "/no.Such/*"},
	}, 1)
	require.Len(t, client.Status().Notes, 1)
	assert.Contains(t, client.Status().Notes[0], "no registered service has /grpc.health.v1.Health/Chek, /no.Such/*;")
}

func TestATokenFileThatIsGoneIsNoted(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	path := filepath.Join(t.TempDir(), "d", "token")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("secret"), 0o600))
	list := clientkit.Endpoints(cluster)
	list[0].TokenFile, list[0].AllowInsecureTokens = path, true
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 1)
	assert.Empty(t, client.Status().Notes)
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	require.NotEmpty(t, client.Status().Notes)
	notes := strings.Join(client.Status().Notes, "\n")
	assert.Contains(t, notes, path+" is gone, and so is its directory; its last content stays in effect")
}

func TestAFileThatIsGoneIsWarnedAboutOnceEachTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds")
	}
	synctest.Test(t, func(t *testing.T) {
		cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
		path := filepath.Join(t.TempDir(), "token")
		list := clientkit.Endpoints(cluster)
		list[0].TokenFile, list[0].AllowInsecureTokens = path, true
		lines := new(logLines)
		warnings := func() (n int) {
			for _, l := range lines.all(t) {
				if l["msg"] == "the last content of a file stays in effect" && strings.Contains(l["detail"].(string), path+" is gone") {
					n++
				}
			}
			return n
		}
		require.NoError(t, os.WriteFile(path, []byte("secret"), 0o600))
		clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list, Logger: lines.logger(slog.LevelWarn)}, 1)
		for i := range 2 {
			time.Sleep(time.Minute)
			assert.Equal(t, i, warnings())
			require.NoError(t, os.Remove(path))
			time.Sleep(time.Hour)
			assert.Equal(t, i+1, warnings())
			require.NoError(t, os.WriteFile(path, []byte("secret"), 0o600))
		}
	})
}
