package cantonlb_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// silentServer accepts connections and never writes.
func silentServer(t *testing.T) string {
	t.Helper()
	return greetingServer(t, "")
}

// greetingServer writes first, as servers of many protocols do.
func greetingServer(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			_, _ = conn.Write([]byte(text))
		}
	}()
	return l.Addr().String()
}

func TestAnAttemptToConnectSaysHowFarItHasCome(t *testing.T) {
	for scheme, want := range map[string]struct {
		phase report.ConnectPhase
		text  string
	}{
		"http://":  {report.PhaseHTTP2, "connected, waiting for the server's HTTP/2 settings"},
		"https://": {report.PhaseTLS, "TCP connected, waiting for the TLS handshake"},
	} {
		client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Name: "seq1", Address: scheme + silentServer(t)}}})
		require.NoError(t, err)
		s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].Phase == want.phase })
		assert.Equal(t, cantonlb.StateConnecting, s.Endpoints[0].State)
		assert.False(t, s.Endpoints[0].PhaseSince.IsZero())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		assert.Regexp(t, `seq1 connecting \(`+want.text+`, [0-9.]+m?s\)`, client.WaitHealthy(ctx, 1).Error())
		cancel()
		require.NoError(t, client.Close())
	}
}

func TestAProbeThatIsNotAnsweredIsAPhase(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	cluster.Server(0).SetHealthLatency(time.Hour)
	client := clientkit.Connect(t, cluster, cantonlb.Config{HealthCheck: healthcheck.Config{Timeout: 10 * time.Second, Interval: 10 * time.Second, NoWatch: true}}, 0)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].Phase == report.PhaseProbe })
	assert.Equal(t, cantonlb.StateUnknown, s.Endpoints[0].State)
}

func TestTheWrongSchemeIsRecognised(t *testing.T) {
	plain := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP())
	secure := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP(), lbtest.WithTLS())
	quiet := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	page, securePage := httptest.NewServer(quiet), httptest.NewTLSServer(quiet)
	t.Cleanup(page.Close)
	t.Cleanup(securePage.Close)
	host := func(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
	for name, c := range map[string]struct{ address, want string }{
		"TLS to a plaintext server":            {"https://" + plain.Addrs()[0], "use http:// in the endpoint's address"},
		"plaintext to a server with TLS":       {"http://" + secure.Addrs()[0], "use https:// in the endpoint's address"},
		"plaintext to a web server with TLS":   {"http://" + host(securePage.URL), "use https:// in the endpoint's address"},
		"plaintext to a web server without it": {"http://" + host(page.URL), "this is not a gRPC port"},
		"TLS to a web server":                  {"https://" + host(securePage.URL), "this is not a gRPC port"},
		"plaintext to a server of SSH":         {"http://" + greetingServer(t, "SSH-2.0-OpenSSH_9.6\r\n"), "this is not a gRPC port"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Name: "seq1", Address: c.address}}})
			require.NoError(t, err)
			defer client.Close()
			s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].State == cantonlb.StateUnreachable })
			assert.Equal(t, report.ReasonHandshakeFailed, s.Endpoints[0].Reason)
			assert.Contains(t, s.Endpoints[0].Detail, c.want)
			_, err = lbtest.ServedBy(testkit.Context(t), client)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// A server that is not ready, or a balancer in front of none, may accept a connection,
// begin HTTP/2, and hang up.
func TestAConnectionThatIsClosedBeforeItAnswersSaysSo(t *testing.T) {
	client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Name: "seq1", Address: "http://" + hangingUpServer(t)}}})
	require.NoError(t, err)
	defer client.Close()
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].State == cantonlb.StateUnreachable })
	assert.Equal(t, report.ReasonConnectFailed, s.Endpoints[0].Reason)
	assert.Contains(t, s.Endpoints[0].Detail, "closed before the server answered")
}

// hangingUpServer sends its settings, reads those of the client, and closes the
// connection.
func hangingUpServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
			_, _ = io.ReadFull(conn, make([]byte, 24+9+9)) // the preface, the settings, and their acknowledgement
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}
