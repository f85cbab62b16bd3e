package transport

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddressWithAHolderKeepsItsOtherAttributes(t *testing.T) {
	h := new(Holder)
	a := With(resolver.Address{Addr: "seq1:1", ServerName: "seq1"}, h)
	assert.Equal(t, "seq1:1", a.Addr)
	assert.Equal(t, "seq1", a.ServerName)
	assert.Same(t, h, a.Attributes.Value(key{}))
}

func TestHolderThatWasClosedLetsNoConnectionThrough(t *testing.T) {
	h := new(Holder)
	assert.False(t, h.Held())
	assert.False(t, h.Close(), "there is none")
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	assert.False(t, h.hold(near))
	assert.True(t, h.Held())
	assert.True(t, h.Close())
}

func TestDialerLeavesFailuresAndStrangersAlone(t *testing.T) {
	broken := errors.New("broken")
	_, err := Dialer(func(context.Context, string) (net.Conn, error) { return nil, broken })(t.Context(), "x")
	assert.Equal(t, broken, err)

	near, far := net.Pipe()
	defer far.Close()
	conn, err := Dialer(func(context.Context, string) (net.Conn, error) { return near, nil })(t.Context(), "x")
	require.NoError(t, err)
	assert.Same(t, near, conn)
	assert.NoError(t, conn.Close())
}
