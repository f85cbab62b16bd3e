package dialer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/nettest"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// greeter accepts connections, says hello and echoes lines.
func greeter(t *testing.T, network, address string) string {
	t.Helper()
	return serve(t, network, address, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "hello\n")
		_, _ = io.Copy(conn, conn)
	})
}

// serve runs handle for each connection, and closes it.
func serve(t *testing.T, network, address string, handle func(net.Conn)) string {
	t.Helper()
	lis, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = lis.Close() })
	go func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return lis.Addr().String()
}

// talk checks that a connection leads to a greeter, and closes it.
func talk(t *testing.T, conn net.Conn) {
	t.Helper()
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	read := bufio.NewReader(conn)
	line, err := read.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "hello\n", line)
	_, err = io.WriteString(conn, "there\n")
	require.NoError(t, err)
	line, err = read.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "there\n", line)
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

func TestANameIsResolvedAtEachDial(t *testing.T) {
	dns := nettest.NewDNS(t)
	d := &Dialer{Names: names.New(dns.Resolver())}
	first := greeter(t, "tcp4", "127.0.0.2:0")
	second := greeter(t, "tcp4", "127.0.0.3:"+port(first))
	for _, at := range []string{first, second} {
		host, _, _ := net.SplitHostPort(at)
		dns.Set("a.example.test", host)
		conn, err := d.Dial(testkit.Context(t), "a.example.test:"+port(first))
		require.NoError(t, err)
		assert.Equal(t, at, conn.RemoteAddr().String())
		talk(t, conn)
	}
	_, err := d.Dial(testkit.Context(t), "b.example.test:1")
	assert.ErrorContains(t, err, "no such host")
}

// An address of one family that refuses does not keep a connection to the other
// from being made.
func TestTheOtherFamilyIsTriedToo(t *testing.T) {
	dns := nettest.NewDNS(t)
	at := greeter(t, "tcp4", "127.0.0.2:0")
	dns.Set("a.example.test", "::1", "127.0.0.2")
	conn, err := (&Dialer{Names: names.New(dns.Resolver())}).Dial(testkit.Context(t), "a.example.test:"+port(at))
	require.NoError(t, err)
	assert.Equal(t, at, conn.RemoteAddr().String())
	talk(t, conn)
}

func TestATunnelLeadsThroughTheProxyWhichResolvesTheName(t *testing.T) {
	for name, secure := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			proxy := nettest.NewProxy(t, secure)
			proxy.Demand("joe", "hush:hush")
			proxy.Route("a.example.test:5001", greeter(t, "tcp4", "127.0.0.1:0"))
			d := &Dialer{Names: names.New(nil), Proxies: NewProxies(proxy.URL(), "")}
			if secure {
				d.ProxyTLS = proxy.Roots()
			}
			conn, err := d.Dial(testkit.Context(t), "a.example.test:5001")
			require.NoError(t, err)
			assert.Equal(t, "a.example.test:5001", conn.RemoteAddr().String())
			assert.Equal(t, "tcp", conn.RemoteAddr().Network())
			require.Implements(t, (*syscall.Conn)(nil), conn, "the kernel's queue of it is read")
			raw, err := conn.(syscall.Conn).SyscallConn()
			require.NoError(t, err)
			require.NoError(t, raw.Control(func(uintptr) {}))
			talk(t, conn)
			assert.Equal(t, 1, proxy.Asked("a.example.test:5001"))
		})
	}
}

func TestAProxyWithAnUntrustedCertificateGetsNoPassword(t *testing.T) {
	proxy := nettest.NewProxy(t, true)
	proxy.Demand("joe", "hush")
	_, err := (&Dialer{Names: names.New(nil), Proxies: NewProxies(proxy.URL(), "")}).Dial(testkit.Context(t), "a.example.test:5001")
	require.ErrorContains(t, err, "certificate")
	assert.NotContains(t, err.Error(), "hush")
	assert.Zero(t, proxy.Asked("a.example.test:5001"))
}

func TestOnlyEndpointsThatNoProxyLeavesOutAreReachedByTheProxy(t *testing.T) {
	p := NewProxies("http://proxy.example:3128", "direct.example.test,.internal,10.0.0.0/8,port.example.test:5002")
	for address, proxied := range map[string]bool{
		"a.example.test:5001": true, "direct.example.test:5001": false, "x.internal:5001": false,
		"10.1.2.3:5001": false, "11.1.2.3:5001": true, "[2001:db8::1]:5001": true,
		"port.example.test:5001": true, "port.example.test:5002": false,
		"localhost:5001": false, "127.0.0.1:5001": false, "[::1]:5001": false,
	} {
		proxy, err := p.For(address)
		require.NoError(t, err)
		assert.Equal(t, proxied, proxy != nil, address)
	}
}

func TestTheEnvironmentNamesTheProxy(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	proxy, err := ProxiesFromEnvironment().For("a.example.test:5001")
	require.NoError(t, err)
	assert.Nil(t, proxy)

	t.Setenv("HTTPS_PROXY", "proxy.example:3128") // a host alone is meant for http
	t.Setenv("NO_PROXY", "b.example.test")
	proxy, err = ProxiesFromEnvironment().For("a.example.test:5001")
	require.NoError(t, err)
	assert.Equal(t, "http://proxy.example:3128", proxy.String())
	proxy, err = ProxiesFromEnvironment().For("b.example.test:5001")
	require.NoError(t, err)
	assert.Nil(t, proxy)
}

// Such an endpoint is not reached without the proxy either.
func TestABadProxyIsTheErrorOfTheDialsThatItMattersTo(t *testing.T) {
	for _, bad := range []string{"http://", "socks5://joe:hush@proxy:1080", "http://joe:hush@pro xy:1", "://hush", "http://[hush"} {
		p := NewProxies(bad, "b.example.test")
		_, err := (&Dialer{Names: names.New(nil), Proxies: p}).Dial(testkit.Context(t), "a.example.test:5001")
		require.EqualError(t, err, "HTTPS_PROXY: not the URL of a proxy; want http://host:port or https://host:port", bad)
		proxy, err := p.For("b.example.test:5001")
		require.NoError(t, err)
		assert.Nil(t, proxy)
	}
}

func TestTheDefaultPortsOfProxies(t *testing.T) {
	for text, want := range map[string]string{
		"http://p": "p:80", "https://p": "p:443", "http://[::1]": "[::1]:80", "http://p:3128": "p:3128",
	} {
		u, err := parseProxy(text)
		require.NoError(t, err)
		assert.Equal(t, want, proxyAddress(u))
	}
}

func TestWhatGoesWrongWithAProxyIsToldWithoutItsPassword(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, refused.Close())
	wrong := nettest.NewProxy(t, false)
	wrong.Demand("joe", "other")
	none := nettest.NewProxy(t, false)
	answers := func(text string) string {
		return serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
		})
	}
	host := func(p *nettest.Proxy) string {
		_, at, _ := strings.Cut(p.URL(), "//")
		return at[strings.Index(at, "@")+1:]
	}
	for name, c := range map[string]struct{ at, want string }{
		"nobody is there":  {refused.Addr().String(), "proxy: dial tcp %s: connect: connection refused"},
		"a wrong password": {host(wrong), "proxy %s: CONNECT a.example.test:5001: the proxy answers 407 Proxy Authentication Required"},
		"no such place":    {host(none), "proxy %s: CONNECT a.example.test:5001: the proxy answers 502 Bad Gateway"},
		"no answer":        {answers(""), "proxy %s: CONNECT a.example.test:5001: unexpected EOF"},
		"not HTTP":         {answers("SSH-2.0-secret\r\n\r\n"), "proxy %s: CONNECT a.example.test:5001: the proxy's answer is not that of an HTTP proxy"},
		"no end of headers": {answers("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 20_000)),
			"proxy %s: CONNECT a.example.test:5001: the proxy's answer is not that of an HTTP proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Dialer{Names: names.New(nil), Proxies: NewProxies("http://joe:hush@"+c.at, "")}
			conn, err := d.Dial(testkit.Context(t), "a.example.test:5001")
			require.EqualError(t, err, fmt.Sprintf(c.want, c.at))
			assert.Nil(t, conn)
		})
	}
}

func TestADialEndsWithItsContextWhateverTheProxyDoes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	at := serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		cancel() // rather than an answer
		_, _ = io.Copy(io.Discard, conn)
	})
	_, err := (&Dialer{Names: names.New(nil), Proxies: NewProxies("http://"+at, "")}).Dial(ctx, "a.example.test:5001")
	assert.ErrorIs(t, err, context.Canceled)
}

// What the endpoint says at once may come in one piece with the proxy's answer.
func TestNothingThatFollowsTheProxysAnswerIsLost(t *testing.T) {
	at := serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello\n")
		_, _ = io.Copy(io.Discard, conn)
	})
	conn, err := (&Dialer{Names: names.New(nil), Proxies: NewProxies("http://"+at, "")}).Dial(testkit.Context(t), "a.example.test:5001")
	require.NoError(t, err)
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "hello\n", line)
}
