package quorum

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// server is a member over the network, of gRPC and HTTP alike: it answers as its
// function does, which can do whatever a server can.
func server(t testing.TB, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(answer)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// sayGRPC answers a unary call with the bytes of a message.
func sayGRPC(message []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		grpcHeader(w)
		_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
		w.Header().Set("Grpc-Status", "0")
	}
}

func grpcHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
}

// grpcStatus answers a unary call with a status.
func grpcStatus(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		grpcHeader(w)
		w.Header().Set("Grpc-Status", fmt.Sprint(code))
		w.Header().Set("Grpc-Message", text)
	}
}

func sayJSON(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// The ways in which a server can harm its client rather than its answer. What begins a
// message is left to begin.
func harms(begin func(http.ResponseWriter)) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"stalls before headers": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"stalls after headers": func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			flush(w)
			<-r.Context().Done()
		},
		"drips": func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for {
				if _, err := w.Write([]byte{' '}); err != nil {
					return
				}
				flush(w)
				select {
				case <-ticker.C:
				case <-r.Context().Done():
					return
				}
			}
		},
		"sends 1 GiB": func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			zeros := make([]byte, 64<<10)
			for sent := 0; sent < 1<<30 && r.Context().Err() == nil; sent += len(zeros) {
				if _, err := w.Write(zeros); err != nil {
					return
				}
			}
		},
		"closes": func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			flush(w)
			panic(http.ErrAbortHandler)
		},
		"fails": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"sends garbage": func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			_, _ = w.Write([]byte("\xff\x00{{{\"a\":"))
		},
	}
}

// dial returns a member over gRPC for a server.
func dial(t testing.TB, name string, s *httptest.Server) Member {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+s.Listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	return Member{Name: name, Conn: cc, URL: s.URL}
}

// allocated returns how many bytes f allocates, of everything in the process.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
