package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/resolver"
)

// brokenConn is a connection whose peer has closed it before all was written, and has
// said something before.
type brokenConn struct {
	net.Conn

	said *strings.Reader
}

func (brokenConn) Write([]byte) (int, error)       { return 0, syscall.EPIPE }
func (c brokenConn) Read(b []byte) (int, error)    { return c.said.Read(b) }
func (brokenConn) SetReadDeadline(time.Time) error { return nil }

// serveTLS listens at a Unix domain socket and returns its path. It closes each
// connection after the handshake.
func serveTLS(t *testing.T) string {
	issued := lbtest.NewCA(t, "sidecar").Issue("localhost")
	pair, err := tls.X509KeyPair([]byte(issued.CertPEM), []byte(issued.KeyPEM))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "s")
	lis, err := tls.Listen("unix", path, &tls.Config{Certificates: []tls.Certificate{pair}})
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for conn, err := lis.Accept(); err == nil; conn, err = lis.Accept() {
			serving.Go(func() {
				_, _ = conn.Read(make([]byte, 1)) // after the handshake
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() { _ = lis.Close(); serving.Wait() })
	return path
}

// A server that receives what it does not expect closes the connection while its client
// still writes. Whether reading or writing fails first is chance, and what grpc hears
// first becomes the reason that an operator reads.
func TestTheReaderAndTheWriterLearnTheSameOfAServerThatHangsUp(t *testing.T) {
	speaksTLS, silent := serveTLS(t), filepath.Join(t.TempDir(), "s")
	lis, err := net.Listen("unix", silent)
	require.NoError(t, err)
	require.NoError(t, lis.Close()) // it answers no question

	for name, c := range map[string]struct {
		path, said string
		others     bool
		want       error // of the writer, and of the reader if it is not EPIPE
	}{
		"an alert":                      {silent, "\x15\x03\x03\x00\x02\x02\x46", false, errSocketWantsTLS},
		"nothing, of a server with TLS": {speaksTLS, "", false, errSocketWantsTLS},
		"another address is tried":      {speaksTLS, "", true, syscall.EPIPE},
		"nothing, of a server without":  {silent, "", false, syscall.EPIPE},
		"HTTP/1":                        {silent, "HTTP/1.1 400 Bad Request\r\n\r\n", false, errServerIsHTTP1},
		"HTTP/1, of a server with TLS":  {speaksTLS, "HTTP/1.0 400 Bad Request\r\n\r\n", false, errSocketWantsTLS},
		"another protocol":              {silent, "SSH-2.0-OpenSSH\r\n", false, errNotHTTP2},
		"HTTP/2":                        {silent, "\x00\x00\x00\x04\x00\x00\x00\x00\x00", false, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			dial := func() *plainConn {
				near, far := net.Pipe()
				t.Cleanup(func() { _, _ = near.Close(), far.Close() })
				return &plainConn{
					Conn:     brokenConn{remoteConn{near, &net.UnixAddr{Name: c.path, Net: "unix"}}, strings.NewReader(c.said)},
					endpoint: resolver.Endpoint{Name: "sidecar", Address: "unix://" + c.path},
					others:   func() bool { return c.others },
				}
			}
			reads := func(conn net.Conn) {
				if _, err := conn.Read(make([]byte, 64)); !errors.Is(c.want, syscall.EPIPE) {
					assert.ErrorIs(t, err, c.want, "the reader")
				}
			}
			writes := func(conn net.Conn) {
				_, err := conn.Write([]byte("PRI"))
				assert.ErrorIs(t, err, c.want, "the writer")
			}
			for _, dialed := range []func() net.Conn{
				func() net.Conn { return dial() },
				func() net.Conn { conn := dial(); return new(Holder).hold(conn, conn) },
			} {
				first, second := dialed(), dialed()
				reads(first)
				writes(first)
				writes(second)
				reads(second)
			}
		})
	}
}

// remoteConn is a connection that leads to an address.
type remoteConn struct {
	net.Conn

	remote net.Addr
}

func (c remoteConn) RemoteAddr() net.Addr { return c.remote }
