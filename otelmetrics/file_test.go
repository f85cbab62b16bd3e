package otelmetrics_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/otelmetrics"
)

// reloads is how often the content of a config file took effect, and was refused.
type reloads struct{ accepted, refused uint64 }

func reloadsIn(t *testing.T, c collector) reloads {
	t.Helper()
	series := c.collect(t)
	assert.Contains(t, series, "cantonlb.config.reloads{accepted}", "it begins at zero")
	assert.Contains(t, series, "cantonlb.config.reloads{refused}")
	return reloads{uint64(series["cantonlb.config.reloads{accepted}"]), uint64(series["cantonlb.config.reloads{refused}"])}
}

func TestReloadsOfTheConfigFileAreCountedBothWays(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho)
	path := filepath.Join(t.TempDir(), "lb.yaml")
	write := func(text string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	listing := func(server int) string { return fmt.Sprintf("endpoints: [{address: %q}]\n", cluster.Addrs()[server]) }
	write(listing(0))
	recorded, observed := newCollector(), newCollector()
	client, err := configfile.NewClient(path, append(cluster.DialOptions(), recorded.plugin())...)
	require.NoError(t, err)
	defer client.Close()
	stop, err := otelmetrics.Observe(client, otelmetrics.WithMeterProvider(observed))
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, step := range []struct {
		text string
		want reloads
	}{
		{"", reloads{0, 0}},
		{listing(1), reloads{1, 0}},
		{"endpoints: no\n", reloads{1, 1}},
		{listing(1) + "zone: eu\n", reloads{2, 1}}, // no other list
	} {
		if step.text != "" {
			write(step.text)
		}
		for file := client.Status().File; (reloads{file.Reloads, file.Failures}) != step.want; file = client.Status().File {
			select {
			case <-ctx.Done():
				require.Fail(t, "not in time", "%+v, want %+v", *file, step.want)
			case <-time.After(10 * time.Millisecond):
			}
		}
		// grpc's recorder receives the value later, with no lock held.
		require.Eventually(t, func() bool {
			_, told := recorded.collect(t)["cantonlb.config.reloads{refused}"]
			return told && reloadsIn(t, recorded) == step.want
		}, 30*time.Second, 10*time.Millisecond)
		assert.Equal(t, step.want, reloadsIn(t, observed))
	}
	require.NoError(t, stop())
}
