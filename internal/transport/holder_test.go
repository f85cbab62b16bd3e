package transport

import (
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
	type other struct{}
	a := resolver.Address{Addr: "seq1:1", ServerName: "seq1"}
	a.Attributes = a.Attributes.WithValue(other{}, 7)
	a = With(a, h)
	assert.Equal(t, "seq1:1", a.Addr)
	assert.Equal(t, "seq1", a.ServerName)
	assert.Same(t, h, a.Attributes.Value(key{}))
	assert.Equal(t, 7, a.Attributes.Value(other{}))
}

func TestReadersOfAHeldConnectionLearnWhyItWasClosed(t *testing.T) {
	h := new(Holder)
	assert.False(t, h.Held())
	assert.False(t, h.Close(errors.New("nothing to close")))
	near, far := net.Pipe()
	defer far.Close()
	conn := h.hold(near)
	assert.True(t, h.Held())
	assert.Zero(t, h.LastRead())
	go func() { _, _ = far.Write([]byte("x")) }()
	b := make([]byte, 1)
	n, err := conn.Read(b)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.NotZero(t, h.LastRead())

	dead := errors.New("no sign of life")
	assert.True(t, h.Close(dead))
	assert.True(t, h.Close(errors.New("a later reason")))
	_, err = conn.Read(b)
	assert.Equal(t, dead, err)
}

func TestReadersOfAConnectionThatEndsByItselfGetItsOwnError(t *testing.T) {
	near, far := net.Pipe()
	conn := new(Holder).hold(near)
	require.NoError(t, far.Close())
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorContains(t, err, "EOF")
	assert.NoError(t, conn.Close())
}
