package ws

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// FuzzMessage reads any message: nothing panics, and an offset is above zero.
func FuzzMessage(f *testing.F) {
	for _, m := range []string{
		`{"update":{"Transaction":{"value":{"offset":7}}}}`, `{"update":{"OffsetCheckpoint":{"value":{"offset":7}}}}`,
		`{"completionResponse":{"Empty":{}}}`, `{"completionResponse":{"Completion":{"value":{"offset":-1}}}}`,
		`{"code":"X","cause":"y","errorCategory":1,"context":{"a":"b"},"retryInfo":"1 second","grpcCodeValue":14}`,
		`{"code":"","cause":"","errorCategory":99,"grpcCodeValue":-5}`, `[]`, `null`, "\xff",
	} {
		f.Add([]byte(m))
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		at, _, err := position(m)
		if err == nil && at.Int64() <= 0 {
			t.Fatalf("%q has the offset %v", m, at)
		}
		says(m, "completionResponse", "Empty")
		if err := errorIn(m); err != nil {
			if s := status.Convert(err); s.Code() == 0 || len(s.Message()) > 3*maxText {
				t.Fatalf("%q is the error %v", m, err)
			}
		}
		_ = endOf(m)
	})
}

// FuzzFrames sends any bytes after the handshake: the reader ends, with an error or with
// messages that are JSON.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x81\x02{}"))
	f.Add([]byte("\x81\x7e\x00\x02{}\x88\x02\x03\xe8"))
	f.Add([]byte("\x01\x01{\x80\x01}\x89\x00\x8a\x00"))
	f.Add([]byte("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\xc1\x00"))
	var frames atomic.Pointer[[]byte]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answer(conn, *frames.Load())
		}
	}()
	client, err := jsonapi.New(jsonapi.Config{
		HealthCheck: healthcheck.Config{Disabled: true}, Endpoints: []jsonapi.Endpoint{{Name: "a", Address: "http://" + l.Addr().String()}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		_ = client.Close()
		l.Close()
		<-served
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		frames.Store(&data) // one input at a time, each on a connection of its own
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		conn, err := Dial(ctx, client, UpdatesPath, nil, Options{MaxMessage: 1 << 16, Ping: -1})
		if err != nil {
			t.Fatalf("the handshake: %v", err)
		}
		defer conn.Close()
		for {
			m, err := conn.Recv()
			if err != nil {
				if ctx.Err() != nil {
					t.Fatalf("%q: no end", data)
				}
				return
			}
			if len(m) > 1<<16 {
				t.Fatalf("a message of %d bytes", len(m))
			}
		}
	})
}

// answer makes the handshake of a websocket, sends the frames and closes.
func answer(conn net.Conn, frames []byte) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Protocol: daml.ws.auth\r\nSec-WebSocket-Accept: "+base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	_, _ = conn.Write(frames)
}
