package nettest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheNameServerGivesWhatItWasTold(t *testing.T) {
	server := NewDNS(t)
	resolver := server.Resolver()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
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
