package jsonapi

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/resolver"
)

// rawServer is a server that answers each request, except those for health, with this text,
// and leaves its connections open.
func rawServer(t *testing.T, answer string) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = lis.Close() })
	wg.Go(func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					text := answer
					if req.URL.Path == "/readyz" {
						text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
					}
					_, _ = io.WriteString(c, text)
				}
			})
		}
	})
	return "http://" + lis.Addr().String()
}

// rawClient is a client of a rawServer, which sends the token.
func rawClient(t *testing.T, answer, token string) *Client {
	t.Helper()
	c, err := New(Config{HealthCheck: quick(), MaxAttempts: 1, Endpoints: []Endpoint{{
		Name: "a", Address: rawServer(t, answer), Token: resolver.NewSecret(token), AllowInsecureTokens: true,
	}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestNoErrorQuotesWhatAServerHasQuoted(t *testing.T) {
	const token = "a-token-that-is-quoted"
	for name, answer := range map[string]string{
		"the protocol":         token + "\r\n\r\n",
		"the status":           "HTTP/1.1 " + token + "\r\n\r\n",
		"a header":             "HTTP/1.1 200 OK\r\n" + token + "\r\n\r\n",
		"the length":           "HTTP/1.1 200 OK\r\nContent-Length: " + token + "\r\n\r\n",
		"a trailer":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + token + "\r\n\r\n",
		"an encoding":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + token + "\r\n\r\n",
		"control characters":   "HTTP/1.1 200 OK\r\nX" + token + "\x1b[2J\r\n\r\n",
		"the proxy's own text": "HTTP/1.1 Bearer " + token + "\r\n\r\n",
	} {
		c := rawClient(t, answer, token)
		_, _, err := send(t, c, http.MethodGet, "/x", "")
		require.Error(t, err, name)
		assert.NotContains(t, err.Error(), token, name)
		assert.NotContains(t, err.Error(), "\x1b", name)
		assert.Less(t, len(err.Error()), 2*maxText, name)
	}
}

// The body of such an answer is the connection, on which a caller would wait beyond its
// deadline.
func TestAProtocolThatWasNotAskedForIsNoAnswer(t *testing.T) {
	const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
	c := rawClient(t, answer, "a-token")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		_, _, err := send(t, c, method, "/x", "")
		var attempts *AttemptsError
		require.ErrorAs(t, err, &attempts)
		require.ErrorIs(t, err, errSwitched)
		assert.False(t, attempts.Unsent, "the server may have executed it")
	}
	resp, err := c.HTTP().Do(upgradeTo(t, "x"))
	require.NoError(t, err)
	assert.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
}

func upgradeTo(t *testing.T, protocol string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://ledger/x", nil)
	require.NoError(t, err)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	return req
}
