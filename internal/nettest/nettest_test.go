package nettest

import (
	"testing"

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
