package nettest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheNameServerGivesWhatItWasTold(t *testing.T) {
	server := NewDNS(t)
	resolver := server.Resolver()
	ctx := testkit.Context(t)
	server.Set("a.example.test", "127.0.0.2", "::1")
	got, err := resolver.LookupHost(ctx, "a.example.test")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"127.0.0.2", "::1"}, got)

	server.Set("a.example.test", "127.0.0.3")
	got, err = resolver.LookupHost(ctx, "a.example.test")
	require.NoError(t, err)
	assert.Equal(t, []string{"127.0.0.3"}, got)
	assert.GreaterOrEqual(t, server.Queries("a.example.test"), 2)

	_, err = resolver.LookupHost(ctx, "b.example.test")
	assert.ErrorContains(t, err, "no such host")
}

func TestTheNameServerFailsAsToldTo(t *testing.T) {
	server := NewDNS(t)
	server.Set("a.example.test", "127.0.0.2", "127.0.0.3", "127.0.0.4")
	look := func(d time.Duration) ([]string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		return server.Resolver().LookupHost(ctx, "a.example.test")
	}
	server.Become(DNSFails)
	_, err := look(10 * time.Second)
	require.ErrorContains(t, err, "server misbehaving")
	server.Become(DNSHangs)
	_, err = look(50 * time.Millisecond)
	require.ErrorContains(t, err, "timeout")
	if testing.Short() {
		t.Skip("the rest takes five seconds: left out with -short")
	}
	server.Become(DNSFirstDead)
	_, err = look(50 * time.Millisecond)
	require.ErrorContains(t, err, "timeout")
	got, err := look(10 * time.Second) // the second query
	require.NoError(t, err)
	assert.Len(t, got, 3)
}

func TestTheNameServerGivesAPartOfItsAddressesInTurn(t *testing.T) {
	server := NewDNS(t)
	server.Set("a.example.test", "127.0.0.2", "127.0.0.3", "127.0.0.4")
	server.Rotate(1)
	seen := make(map[string]bool)
	for range 6 {
		got, err := server.Resolver().LookupHost(testkit.Context(t), "a.example.test")
		require.NoError(t, err)
		require.Len(t, got, 1)
		seen[got[0]] = true
	}
	assert.Len(t, seen, 3)
}
