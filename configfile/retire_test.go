package configfile

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// pipes is a listener of connections in memory, which fake time can see.
type pipes chan net.Conn

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p <- far
	return near, nil
}

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestARequestOfAClientThatHasLeftTheFileMayTakeThirtySeconds uses fake time.
func TestARequestOfAClientThatHasLeftTheFileMayTakeThirtySeconds(t *testing.T) {
	for name, x := range map[string]struct {
		takes, until time.Duration
		failure      error
	}{
		"in time":  {20 * time.Second, 20 * time.Second, nil},
		"too long": {time.Minute, 30 * time.Second, jsonapi.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := make(pipes, 1)
				server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-time.After(x.takes):
					case <-r.Context().Done():
					}
					_, _ = io.WriteString(w, "done")
				})}
				go func() { _ = server.Serve(list) }()
				c, err := jsonapi.New(jsonapi.Config{
					Endpoints:   []jsonapi.Endpoint{{Name: "a", Address: "http://a:1"}},
					HealthCheck: healthcheck.Config{Disabled: true}, Transport: &http.Transport{DialContext: list.dial},
				})
				require.NoError(t, err)
				failed := make(chan error, 1)
				go func() {
					resp, err := c.HTTP().Get("http://ledger/v2/version")
					if err == nil {
						_, err = io.ReadAll(resp.Body)
						_ = resp.Body.Close()
					}
					failed <- err
				}()
				synctest.Wait()
				start := time.Now()
				httpClient{c}.retire(t.Context())
				assert.InDelta(t, x.until.Seconds(), time.Since(start).Seconds(), 0.1)
				require.ErrorIs(t, <-failed, x.failure)
				close(list)
				require.NoError(t, server.Close())
			})
		})
	}
}
