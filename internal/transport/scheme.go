package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/resolver"
)

// The errors of a connection whose scheme is not that of the server.
var (
	errServerWantsTLS = errors.New("the server speaks TLS on this port, and the connection is plaintext; use https:// in the endpoint's address")
	errSocketWantsTLS = errors.New("the server speaks TLS on this socket, and the connection is plaintext; want TLS settings of the endpoint")
	errServerIsHTTP1  = errors.New("the server answers in HTTP/1 and not in HTTP/2: this is not a gRPC port")
	errNotHTTP2       = errors.New("the server does not answer in HTTP/2: this is not a gRPC port")
)

// plaintextError is the error of a TLS handshake with a server that did not answer in
// TLS.
type plaintextError struct {
	err    error
	socket bool // the server is at a Unix domain socket, whose address has no http://
}

func (e *plaintextError) Error() string {
	at, advice := "on this port", "use http:// in the endpoint's address"
	if e.socket {
		at, advice = "on this socket", "leave out the TLS settings of the endpoint and the TLS credentials of the channel"
	}
	if errors.As(e.err, new(tls.RecordHeaderError)) {
		return "the server does not speak TLS " + at + "; " + advice + " if it is meant to be plaintext: " + e.err.Error()
	}
	return e.err.Error() + ": the server has closed the connection during the TLS handshake; if it serves plaintext " + at + ", " + advice
}

func (e *plaintextError) Unwrap() error { return e.err }

// explainTLS returns the error of a TLS handshake with an endpoint, with what follows
// from it about the scheme.
func explainTLS(e resolver.Endpoint, err error) error {
	if errors.As(err, new(tls.RecordHeaderError)) || closed(err) {
		return &plaintextError{err: err, socket: e.UnixSocket() != ""}
	}
	return err
}

// closed reports whether the error of a read or a write is that the peer has closed the
// connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// plainConn is a plaintext connection that finds out whether the server expects TLS: a
// server that does closes the connection without an answer, or sends an alert.
type plainConn struct {
	net.Conn

	endpoint resolver.Endpoint
	others   func() bool // see Attempt
	answered atomic.Bool // something was read: see held.alert, which reads beside the reader
}

func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 && err == nil || c.answered.Swap(true) {
		return n, err
	}
	switch {
	case n >= 2 && (b[0] == recordAlert || b[0] == recordHandshake) && b[1] == tlsMajor:
		return 0, c.failed(c.wantsTLS())
	case n > 0 && strings.HasPrefix(string(b[:n]), "HTTP/1"):
		if c.speaksTLS() {
			return 0, c.failed(c.wantsTLS())
		}
		return 0, c.failed(errServerIsHTTP1)
	case n >= frameHeaderLength && b[3] != byte(frameSettings): // the first frame of a server
		return 0, c.failed(errNotHTTP2)
	case n == 0 && c.refused(err):
		return 0, c.failed(c.wantsTLS())
	default:
		return n, err
	}
}

// Write explains as Read does why the server has closed the connection: what is written
// before its answer is read can fail first.
func (c *plainConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && !c.answered.Load() && c.refused(err) {
		return n, c.failed(c.wantsTLS())
	}
	return n, err
}

// refused reports whether err is that of a server that wants TLS and hangs up.
func (c *plainConn) refused(err error) bool { return closed(err) && c.isLast() && c.speaksTLS() }

// isLast reports whether the endpoint has no other address to connect to. If it has one,
// the end of this connection needs no explanation, which would cost a connection.
func (c *plainConn) isLast() bool { return c.others == nil || !c.others() }

func (c *plainConn) wantsTLS() error {
	if c.endpoint.UnixSocket() != "" {
		return errSocketWantsTLS
	}
	return errServerWantsTLS
}

func (c *plainConn) failed(err error) error {
	return &HandshakeError{Endpoint: c.endpoint.Name, Err: err}
}

// The first bytes of a TLS record of an alert or of a handshake.
const (
	recordAlert     = 21
	recordHandshake = 22
	tlsMajor        = 3
)

// askTimeout bounds the question whether a server speaks TLS.
const askTimeout = 500 * time.Millisecond

// speaksTLS asks the server on a further connection whether it speaks TLS. Nothing is
// sent to it but the beginning of a handshake. Through a proxy it is not asked, since
// the connection leads to the proxy.
func (c *plainConn) speaksTLS() bool {
	remote := c.RemoteAddr()
	if !c.isServer(remote) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, remote.Network(), remote.String())
	if err != nil {
		return false
	}
	defer conn.Close()
	answered := false
	client := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2"}, //nolint:gosec // no data is sent
		VerifyConnection: func(tls.ConnectionState) error { answered = true; return nil },
	})
	err = client.HandshakeContext(ctx)
	return err == nil || answered || IsAlert(err)
}

// isServer reports whether an address is one of the endpoint's, and not that of a proxy.
func (c *plainConn) isServer(remote net.Addr) bool {
	switch remote := remote.(type) {
	case *net.TCPAddr:
		_, port, err := net.SplitHostPort(c.endpoint.HostPort())
		return err == nil && port == strconv.Itoa(remote.Port)
	case *net.UnixAddr:
		path := c.endpoint.UnixSocket()
		return path != "" && path == remote.Name
	default:
		return false
	}
}
