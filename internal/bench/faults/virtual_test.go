package faults

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// namedServer answers each connection with a name, and then with what it receives.
func namedServer(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, name)
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		testkit.Receive(t, done)
	})
	return l.Addr().String()
}

func TestAVirtualAddressLeadsNewConnectionsElsewhereWhileItIsTurned(t *testing.T) {
	v, err := newVirtual(t.Context(), namedServer(t, "a"), namedServer(t, "b"))
	require.NoError(t, err)
	defer v.close()
	read := func(c net.Conn) string {
		b := make([]byte, 1)
		_, err := io.ReadFull(c, b)
		require.NoError(t, err)
		return string(b)
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", v.address())
		require.NoError(t, err)
		return c
	}
	first := dial()
	assert.Equal(t, "a", read(first))
	v.turn(true)
	second := dial()
	assert.Equal(t, "b", read(second))
	_, err = io.WriteString(first, "x")
	require.NoError(t, err)
	assert.Equal(t, "x", read(first), "what is connected stays")
	v.close()
	_, err = first.Read(make([]byte, 1))
	require.Error(t, err)
	_ = second.Close()
	_ = first.Close()
	(*virtual)(nil).close()
}

func TestAMachineBehindAVirtualAddressHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	t.Setenv("TMPDIR", t.TempDir())
	sc := tiny(t, idVirtual, idOurs, idRR)
	made, err := perform(t.Context(), sc, sc.short, rng(), here(t, idOurs, idRR))
	require.NoError(t, err)
	assert.Equal(t, "s1", made.victim)
	for id, m := range made.peers {
		assert.Positive(t, m.calls, id)
	}
}
