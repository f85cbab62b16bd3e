package dialer

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// errBadProxy does not show the value, which may hold a password.
var errBadProxy = errors.New("HTTPS_PROXY: not the URL of a proxy; want http://host:port or https://host:port")

// parseProxy parses the URL of a proxy. Without a scheme, http is assumed.
func parseProxy(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errBadProxy
	}
	if password, ok := u.User.Password(); ok {
		cleantext.HideLogin(u.User.Username(), password)
	}
	return u, nil
}

// proxyAddress returns the address to dial.
func proxyAddress(proxy *url.URL) string {
	port := proxy.Port()
	switch {
	case port != "":
	case proxy.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(proxy.Hostname(), port)
}

// maxAnswer bounds the head of a proxy's answer, in bytes.
const maxAnswer = 64 << 10

// tunnel connects to address through a proxy. The proxy's own addresses are raced, up
// to its answer.
func (d *Dialer) tunnel(ctx context.Context, proxy *url.URL, address string, progress *transport.Progress) (net.Conn, error) {
	by := proxyAddress(proxy)
	host, port, err := net.SplitHostPort(by)
	if err != nil {
		return nil, errBadProxy
	}
	addrs, err := d.lookUp(ctx, host, progress, nil)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return first(ctx, len(addrs), func(ctx context.Context, i int) (net.Conn, error) {
		conn, err := d.connect(ctx, addrs[i], port)
		if err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		through, err := d.through(ctx, conn, proxy, address)
		if err != nil {
			return nil, fmt.Errorf("proxy %s: CONNECT %s: %w", by, address, err)
		}
		return through, nil
	})
}

// through turns the connection to a proxy into a tunnel to address, or closes it.
func (d *Dialer) through(ctx context.Context, conn net.Conn, proxy *url.URL, address string) (net.Conn, error) {
	// Everything that blocks below ends with ctx, and a returned conn has no
	// deadline left from here.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	through, err := d.ask(ctx, conn, proxy, address)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close() // an earlier error is returned
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return through, nil
}

// ask asks the proxy for a tunnel to address.
func (d *Dialer) ask(ctx context.Context, conn net.Conn, proxy *url.URL, address string) (net.Conn, error) {
	toProxy := conn
	if proxy.Scheme == "https" {
		secure := tls.Client(conn, d.proxyTLS(proxy.Hostname()))
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Host: address}, Host: address, Header: make(http.Header)}
	req.Header.Set("User-Agent", "cantonlb")
	if user := proxy.User; user != nil {
		password, _ := user.Password()
		basic := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+basic)
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	bounded := &io.LimitedReader{R: conn, N: maxAnswer}
	read := bufio.NewReader(bounded)
	// The body is not read: that of a refusal is not needed, and that of a tunnel is
	// the tunnel itself.
	answer, err := http.ReadResponse(read, req) //nolint:bodyclose // as above
	var broken net.Error
	switch {
	case errors.As(err, &broken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && bounded.N > 0:
		return nil, err
	case err != nil: // its text contains the proxy's answer, of any length
		return nil, errors.New("the proxy's answer is not that of an HTTP proxy")
	case answer.StatusCode/100 != 2:
		return nil, fmt.Errorf("the proxy answers %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	bounded.N = math.MaxInt64
	return &tunnelled{Conn: conn, toProxy: toProxy, read: read, remote: remote(address)}, nil
}

func (d *Dialer) proxyTLS(host string) *tls.Config {
	if d.ProxyTLS == nil {
		return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	c := d.ProxyTLS.Clone()
	c.ServerName = host
	return c
}

// tunnelled is a connection through a proxy. Data from the endpoint that arrived
// with the proxy's answer is read first.
type tunnelled struct {
	net.Conn

	toProxy net.Conn // the TCP connection
	read    *bufio.Reader
	remote  remote
}

func (t *tunnelled) Read(b []byte) (int, error) { return t.read.Read(b) }

// SyscallConn returns the TCP connection to the proxy. The kernel's queue of it shows
// whether a request is still on its way.
func (t *tunnelled) SyscallConn() (syscall.RawConn, error) {
	if c, ok := t.toProxy.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// RemoteAddr returns the endpoint's host and port, as sent to the proxy.
func (t *tunnelled) RemoteAddr() net.Addr { return t.remote }

// remote is the far end of a tunnel.
type remote string

func (remote) Network() string  { return "tcp" }
func (r remote) String() string { return string(r) }
