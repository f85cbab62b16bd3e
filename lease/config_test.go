package lease_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/leasetest"
)

func TestABadConfigIsRefusedWithFieldValueAndWhatIsRight(t *testing.T) {
	for _, c := range []struct {
		edit func(*lease.Config)
		want string
	}{
		{func(c *lease.Config) { c.Store = nil }, "lease: Store is nil; want one"},
		{func(c *lease.Config) { c.Name = "" }, `lease: Name "": want 1 to 200 bytes of printable text`},
		{func(c *lease.Config) { c.Name = "a\nb" }, `lease: Name "a b": want`},
		{func(c *lease.Config) { c.Name = strings.Repeat("x", 201) }, `want 1 to 200 bytes`},
		{func(c *lease.Config) { c.Name = "a\xff" }, `want 1 to 200 bytes`},
		{func(c *lease.Config) { c.Holder = "\x00" }, `lease: Holder "?": want at most 200 bytes of printable text`},
		{func(c *lease.Config) { c.TTL = time.Millisecond }, "lease: TTL 1ms: want 100ms to 1h0m0s"},
		{func(c *lease.Config) { c.TTL = 2 * time.Hour }, "lease: TTL 2h0m0s: want"},
		{func(c *lease.Config) { c.Margin = 6 * time.Second }, "lease: Margin 6s: want 1ms to 5s"},
		{func(c *lease.Config) { c.Margin = -1 }, "lease: Margin -1ns: want"},
		{func(c *lease.Config) { c.RenewEvery = 5 * time.Second }, "lease: RenewEvery 5s: want 1ms to 4.5s"},
		{func(c *lease.Config) { c.Poll = -time.Second }, "lease: Poll -1s: want"},
		{func(c *lease.Config) { c.StuckAfter = -time.Second }, "lease: StuckAfter -1s: want 0s to"},
	} {
		cfg := config(leasetest.NewStore())
		c.edit(&cfg)
		_, err := lease.NewCandidate(cfg)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, lease.Run(t.Context(), cfg, nil), c.want)
	}
}

func TestTheDefaultsOfAnyGoodTTLAreGood(t *testing.T) {
	for _, ttl := range []time.Duration{0, 100 * time.Millisecond, time.Second, time.Minute, time.Hour} {
		for _, margin := range []time.Duration{0, ttl / 2, ttl / 3} {
			_, err := lease.NewCandidate(lease.Config{Store: leasetest.NewStore(), Name: "pink", TTL: ttl, Margin: margin})
			assert.NoError(t, err, "TTL %v, Margin %v", ttl, margin)
		}
	}
}

func TestTwoCandidatesWithTheSameHolderHaveNamesOfTheirOwn(t *testing.T) {
	cfg := config(leasetest.NewStore())
	cfg.Holder = "same"
	a, err := lease.NewCandidate(cfg)
	require.NoError(t, err)
	b, err := lease.NewCandidate(cfg)
	require.NoError(t, err)
	assert.NotEqual(t, a.Status().Candidate, b.Status().Candidate)
	assert.True(t, strings.HasPrefix(a.Status().Candidate, "same/"))
}

func TestTheClocksGoOn(t *testing.T) {
	for _, clock := range []lease.Clock{lease.System, lease.Monotonic} {
		before, wall := clock(), time.Now()
		require.Eventually(t, func() bool { return clock() > before }, 10*time.Second, time.Millisecond)
		assert.InDelta(t, time.Since(wall).Seconds(), (clock() - before).Seconds(), 1)
	}
}
