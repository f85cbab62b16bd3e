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

	"github.com/cantonlb/cantonlb/internal/tlshint"
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
	others   func() bool                    // see Attempt
	answered atomic.Bool                    // the server has answered, and not with what is wrong
	wrong    atomic.Pointer[HandshakeError] // what its answer showed to be wrong; nil if nothing did
}

func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 && err == nil || c.answered.Load() {
		return n, err
	}
	if wrong := c.judge(b[:n], err); wrong != nil {
		return 0, wrong
	}
	if n > 0 {
		c.answered.Store(true)
	}
	return n, err
}

// Write explains as Read does why the server has closed the connection: what is written
// before its answer is read can fail first.
func (c *plainConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && !c.answered.Load() {
		if why := lastWords(c); why != nil {
			return n, why
		}
	}
	return n, err
}

// judge returns what is wrong with the scheme if the first read from the server brought
// these bytes and this error, nil if nothing is. A read beside it, after a write that
// failed, may have taken the bytes: what they showed holds for both.
func (c *plainConn) judge(read []byte, err error) error {
	if why := c.why(read, err); why != nil {
		c.wrong.CompareAndSwap(nil, &HandshakeError{Endpoint: c.endpoint.Name, Err: why})
	}
	if wrong := c.wrong.Load(); wrong != nil {
		return wrong
	}
	return nil
}

func (c *plainConn) why(read []byte, err error) error {
	n := len(read)
	switch {
	case n >= 2 && (read[0] == recordAlert || read[0] == recordHandshake) && read[1] == tlsMajor:
		return c.wantsTLS()
	case strings.HasPrefix(string(read), "HTTP/1"):
		if c.speaksTLS() {
			return c.wantsTLS()
		}
		return errServerIsHTTP1
	case n >= frameHeaderLength && read[3] != byte(frameSettings): // the first frame of a server
		return errNotHTTP2
	case n == 0 && closed(err) && c.wrong.Load() == nil && c.isLast() && c.speaksTLS():
		return c.wantsTLS()
	default:
		return nil
	}
}

// isLast reports whether the endpoint has no other address to connect to. If it has one,
// the end of this connection needs no explanation, which would cost a connection.
func (c *plainConn) isLast() bool { return c.others == nil || !c.others() }

func (c *plainConn) wantsTLS() error {
	if c.endpoint.UnixSocket() != "" {
		return errSocketWantsTLS
	}
	return errServerWantsTLS
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
	return err == nil || answered || tlshint.IsAlert(err)
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
