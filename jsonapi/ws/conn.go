package ws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/jsonapi"
)

// The defaults of Options.
const (
	defaultMaxMessage = 64 << 20
	defaultPing       = 20 * time.Second
	// authProtocol is the subprotocol that the JSON API requires.
	authProtocol = "daml.ws.auth"
)

// pongPatience is how long a server may take to answer a ping, or the handshake once that
// was sent. Tests shorten it.
var pongPatience = 10 * time.Second

// Options are the options of one websocket.
type Options struct {
	// Header is added to the handshake. An Authorization in it replaces the endpoint's
	// token.
	Header http.Header
	// MaxMessage bounds a message, in bytes. Default 64 MiB; negative is an error.
	MaxMessage int64
	// Ping is how long the server may be silent, while a message is awaited, before it is
	// pinged. Default 20 s; negative means never.
	Ping time.Duration
}

// check looks for mistakes of the program. It returns the text of the request, nil for none.
func (o Options) check(client *jsonapi.Client, path string, request any) ([]byte, error) {
	switch {
	case client == nil:
		return nil, errors.New("the client is nil")
	case !strings.HasPrefix(path, "/"):
		return nil, fmt.Errorf("path %q: want one that begins with a slash, such as %q", path, UpdatesPath)
	case o.MaxMessage < 0:
		return nil, fmt.Errorf("Options.MaxMessage %d: want a number of bytes, or 0 for 64 MiB", o.MaxMessage)
	case o.Ping > 0 && o.Ping < time.Millisecond:
		return nil, fmt.Errorf("Options.Ping %v: want a duration of at least 1ms, 0 for 20s, or a negative one for never", o.Ping)
	case request == nil:
		return nil, nil
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("the request: %w", err)
	}
	return text, nil
}

// Conn is an open websocket. Recv is for one goroutine at a time; Close may be called from
// any, and more than once.
type Conn struct {
	parent context.Context //nolint:containedctx // of the stream, as for gRPC
	ctx    context.Context //nolint:containedctx // ends with the websocket, too
	conn   *websocket.Conn
	cancel context.CancelCauseFunc
	ended  chan struct{} // the pinger has ended

	// mu guards what follows. No other lock is acquired while it is held.
	mu      sync.Mutex
	awaited time.Time // since when a message is awaited; zero: none is
	number  uint64    // of the message that is awaited
}

// Why a websocket is given up whose server does not answer.
var (
	errSilent = errors.New("the server does not answer a ping")
	errNoHand = errors.New("the server does not answer the handshake")
)

// Dial opens the websocket at a path, such as UpdatesPath, and sends the request as its
// first message, as JSON. A nil request is not sent. The websocket ends when ctx does.
//
// Errors are gRPC statuses, as those of the server are: UNAVAILABLE if it cannot be
// reached, INVALID_ARGUMENT for a mistake of the program, and what the HTTP status of a
// refusal says.
func Dial(ctx context.Context, client *jsonapi.Client, path string, request any, o Options) (*Conn, error) {
	text, err := o.check(client, path, request)
	if err != nil {
		return nil, failed(codes.InvalidArgument, "%v", err)
	}
	conn, err := handshake(ctx, client, path, o)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(cmp.Or(o.MaxMessage, defaultMaxMessage))
	own, cancel := context.WithCancelCause(ctx)
	c := &Conn{parent: ctx, ctx: own, conn: conn, cancel: cancel, ended: make(chan struct{})}
	context.AfterFunc(own, func() { _ = conn.CloseNow() }) // an error means that it was closed
	go c.ping(cmp.Or(o.Ping, defaultPing))                 //nolint:contextcheck // c has the context
	if text != nil {
		if err := conn.Write(own, websocket.MessageText, text); err != nil {
			c.Close()
			return nil, c.lost(err)
		}
	}
	return c, nil
}

// handshake opens a websocket. An endpoint may take any time to become eligible, and a server
// pongPatience to answer, whatever the answer is: a refusal may be followed by another attempt.
func handshake(ctx context.Context, client *jsonapi.Client, path string, o Options) (*websocket.Conn, error) {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(forever, func() { cancel(errNoHand) })
	defer late.Stop()
	traced := httptrace.WithClientTrace(bounded, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) { // of each attempt
			if info.Err == nil {
				late.Reset(pongPatience)
			}
		},
		GotFirstResponseByte: func() { late.Stop() },
	})
	conn, resp, err := websocket.Dial(traced, client.BaseURL()+path, &websocket.DialOptions{ //nolint:bodyclose // the package closes it
		HTTPClient: client.HTTP(), HTTPHeader: o.Header.Clone(), Subprotocols: []string{authProtocol},
	})
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == nil && bounded.Err() != nil:
		return nil, failed(codes.Unavailable, "%v", err)
	}
	return nil, refusal(ctx, resp, err)
}

const forever time.Duration = math.MaxInt64

// Recv returns the next message. The error is io.EOF if the server has ended the stream
// regularly, a *cantonlb.MovedError if another endpoint is active by now, the error of the
// context, or a gRPC status.
func (c *Conn) Recv() (json.RawMessage, error) {
	c.await(true)
	kind, data, err := c.conn.Read(c.ctx)
	c.await(false)
	if err != nil {
		c.Close()
		return nil, c.lost(err)
	}
	if kind != websocket.MessageText || !json.Valid(data) {
		c.Close()
		return nil, status.Error(codes.Internal, "jsonapi/ws: a message that is no JSON text")
	}
	if refused := errorIn(data); refused != nil {
		c.Close()
		return nil, refused
	}
	return data, nil
}

// Close closes the websocket without waiting for the server.
func (c *Conn) Close() {
	c.cancel(context.Canceled)
	_ = c.conn.CloseNow() // an error means that it was closed
	<-c.ended
}

// await notes whether a message is awaited.
func (c *Conn) await(is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaited = time.Time{}
	if is {
		c.awaited = time.Now()
		c.number++
	}
}

// ping pings the server of a websocket on which a message is awaited for long. Answers to
// a ping are only read while a message is awaited, so only then does silence say anything.
func (c *Conn) ping(every time.Duration) {
	defer close(c.ended)
	if every < 0 {
		<-c.ctx.Done()
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		number, since := c.awaiting()
		if since < every/2 {
			continue
		}
		ctx, cancel := context.WithTimeout(c.ctx, pongPatience)
		err := c.conn.Ping(ctx)
		cancel()
		if now, _ := c.awaiting(); err != nil && now == number {
			c.cancel(errSilent)
			return
		}
	}
}

// awaiting returns the number of the message that is awaited, and for how long; 0 for
// none.
func (c *Conn) awaiting() (number uint64, since time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awaited.IsZero() {
		return 0, 0
	}
	return c.number, time.Since(c.awaited)
}

// lost makes the error of a websocket that has ended.
func (c *Conn) lost(err error) error {
	var moved *cantonlb.MovedError
	cause := context.Cause(c.ctx)
	switch code := websocket.CloseStatus(err); {
	case c.parent.Err() != nil:
		return fmt.Errorf("jsonapi/ws: %w", context.Cause(c.parent))
	case errors.As(err, &moved):
		return moved
	case errors.Is(cause, errSilent):
		return status.Error(codes.Unavailable, "jsonapi/ws: "+errSilent.Error())
	case code == websocket.StatusNormalClosure:
		return io.EOF
	case code == websocket.StatusMessageTooBig, errors.Is(err, websocket.ErrMessageTooBig):
		return failed(codes.ResourceExhausted, "%v", err)
	case code == websocket.StatusPolicyViolation:
		return failed(codes.PermissionDenied, "%v", err)
	}
	return failed(codes.Unavailable, "%v", err)
}
