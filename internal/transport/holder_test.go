package transport

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/credentials/insecure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReadersOfAHeldConnectionLearnWhyItWasClosed(t *testing.T) {
	h := new(Holder)
	assert.False(t, h.Held())
	assert.False(t, h.Close(errors.New("nothing to close")))
	near, far := net.Pipe()
	defer far.Close()
	conn := h.hold(near, near)
	assert.True(t, h.Held())
	assert.Zero(t, h.LastFrame())
	go func() { _, _ = far.Write([]byte("x")) }()
	b := make([]byte, 1)
	n, err := conn.Read(b)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.NotZero(t, h.LastFrame())

	dead := errors.New("no sign of life")
	assert.True(t, h.Close(dead))
	assert.True(t, h.Close(errors.New("a later reason")))
	_, err = conn.Read(b)
	assert.Equal(t, dead, err)
}

func TestReadersOfAConnectionThatEndsByItselfGetItsOwnError(t *testing.T) {
	near, far := net.Pipe()
	conn := new(Holder).hold(near, near)
	require.NoError(t, far.Close())
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorContains(t, err, "EOF")
	assert.NoError(t, conn.Close())
}

// rejected is a connection that the peer has closed with an alert, or without.
type rejected struct {
	net.Conn

	why      error
	deadline error
}

func (rejected) RemoteAddr() net.Addr { return nil }

func (rejected) Write([]byte) (int, error)         { return 0, net.ErrClosed }
func (r rejected) Read([]byte) (int, error)        { return 0, r.why }
func (r rejected) SetReadDeadline(time.Time) error { return r.deadline }

func TestAWriterLearnsOfTheAlertWithWhichItsConnectionWasClosed(t *testing.T) {
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
	for _, c := range []struct {
		conn rejected
		read int64 // when anything was last read
		want error
	}{
		{rejected{why: alert}, 0, alert},
		{rejected{why: alert}, 1, net.ErrClosed},
		{rejected{why: net.ErrClosed}, 0, net.ErrClosed},
		{rejected{why: alert, deadline: net.ErrClosed}, 0, net.ErrClosed},
	} {
		h := new(Holder)
		h.frame.Store(c.read)
		_, err := h.hold(c.conn, c.conn).Write([]byte("x"))
		assert.Equal(t, c.want, err)
	}
}

// singleReader is a connection whose peer takes nothing, and which allows one Read at a
// time, as one with a bufio.Reader.
type singleReader struct {
	net.Conn

	t    *testing.T
	busy *atomic.Bool
}

func (singleReader) Write([]byte) (int, error) { return 0, net.ErrClosed }

func (c singleReader) Read(b []byte) (int, error) {
	assert.True(c.t, c.busy.CompareAndSwap(false, true), "another Read is under way")
	defer c.busy.Store(false)
	return c.Conn.Read(b)
}

func TestAWriterThatLooksForAReasonDoesNotReadBesideTheReader(t *testing.T) {
	for name, secure := range map[string]func(*testing.T, net.Conn) net.Conn{
		"held": func(_ *testing.T, conn net.Conn) net.Conn { return new(Holder).hold(conn, conn) },
		"plaintext": func(t *testing.T, raw net.Conn) net.Conn {
			conn, _, err := New(insecure.NewCredentials()).ClientHandshake(t.Context(), "a:1", raw)
			require.NoError(t, err)
			return conn
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				conn := secure(t, singleReader{near, t, new(atomic.Bool)})
				ended := make(chan error)
				go func() {
					_, err := conn.Read(make([]byte, 64))
					ended <- err
				}()
				synctest.Wait()
				_, err := conn.Write([]byte("PRI"))
				require.ErrorIs(t, err, net.ErrClosed)
				require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
				_, _ = near.Close(), far.Close()
			})
		})
	}
}
