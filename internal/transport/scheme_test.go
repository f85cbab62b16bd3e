package transport

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/resolver"
)

// brokenConn is a connection whose peer has closed it before all was written.
type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// A server that speaks TLS closes the connection while its client still writes.
func TestAWriteThatFailsFirstIsExplainedAsARead(t *testing.T) {
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
	defer func() { _ = lis.Close(); serving.Wait() }()

	raw, err := net.Dial("unix", path)
	require.NoError(t, err)
	c := &plainConn{Conn: brokenConn{raw}, endpoint: resolver.Endpoint{Name: "sidecar", Address: "unix://" + path}}
	_, err = c.Write([]byte("PRI"))
	require.ErrorIs(t, err, errSocketWantsTLS)
	c.others = func() bool { return true } // which are tried in its place
	_, err = c.Write([]byte("PRI"))
	require.ErrorIs(t, err, syscall.EPIPE)
	c.others = nil
	_ = raw.Close()
	_, _ = c.Read(make([]byte, 64))
	_, err = c.Write([]byte("PRI"))
	assert.ErrorIs(t, err, syscall.EPIPE, "it was answered")
}
