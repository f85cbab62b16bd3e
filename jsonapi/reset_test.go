package jsonapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// resetting is a server of HTTP/2 that executes each request and resets it with a code. It
// answers probes, which come over HTTP/1.
type resetting struct {
	url      string
	code     http2.ErrCode
	executed atomic.Int64
}

func newResetting(t *testing.T, code http2.ErrCode) *resetting {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &resetting{url: "http://" + lis.Addr().String(), code: code}
	var serving sync.WaitGroup
	serving.Go(func() {
		for conn, err := lis.Accept(); err == nil; conn, err = lis.Accept() {
			serving.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(t.Context(), func() { _ = conn.Close() })()
				_ = s.serve(conn) // it ends with the connection
			})
		}
	})
	t.Cleanup(func() { _ = lis.Close(); serving.Wait() })
	return s
}

func (s *resetting) serve(conn net.Conn) error {
	begin := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, begin); err != nil {
		return err
	}
	if string(begin) != http2.ClientPreface { // a probe
		_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return err
	}
	f := http2.NewFramer(conn, conn)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		switch x := frame.(type) {
		case *http2.SettingsFrame:
			if !x.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			s.executed.Add(1)
			err = f.WriteRSTStream(x.StreamID, s.code)
		}
		if err != nil {
			return err
		}
	}
}

// Over HTTP/2, net/http sends a request again that was reset with one of some codes, whatever
// its method and without an end. The server may have executed it.
func TestARequestThatIsResetIsExecutedAsOftenAsItMayBe(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeRefusedStream, http2.ErrCodeInternal, http2.ErrCodeCancel} {
		t.Run(code.String(), func(t *testing.T) {
			bad := newResetting(t, code)
			model := defaultModel()
			model.Protocols = new(http.Protocols)
			model.Protocols.SetUnencryptedHTTP2(true)
			cfg := Config{Policy: RoundRobin, HealthCheck: slow(), Transport: model, Endpoints: []Endpoint{{Name: "bad", Address: bad.url}}}
			c := startClient(t, cfg)
			require.NoError(t, c.WaitHealthy(t.Context(), 1))
			for _, body := range []string{"", "{}"} {
				bad.executed.Store(0)
				_, _, err := send(t, c, http.MethodPost, "/v2/parties", body)
				require.Error(t, err)
				assert.EqualValues(t, 1, bad.executed.Load(), "with the body %q", body)
			}
			if code != http2.ErrCodeProtocol {
				return
			}
			good := newPeer(t, "good", func(s *httptest.Server) {
				s.Config.Protocols = new(http.Protocols)
				s.Config.Protocols.SetHTTP1(true) // for probes
				s.Config.Protocols.SetUnencryptedHTTP2(true)
			})
			cfg.Endpoints = append(cfg.Endpoints, Endpoint{Name: "good", Address: good.URL})
			c = startClient(t, cfg)
			require.NoError(t, c.WaitHealthy(t.Context(), 2))
			bad.executed.Store(0)
			const gets = 4
			for range gets {
				_, answer, err := send(t, c, http.MethodGet, "/v2/parties", "")
				require.NoError(t, err)
				assert.Equal(t, "good", answer)
			}
			assert.LessOrEqual(t, bad.executed.Load(), int64(gets*mostConnections))
		})
	}
}
