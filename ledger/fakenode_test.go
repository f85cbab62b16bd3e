package ledger

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// fakeNode is a participant with a ledger in memory, behind a gRPC server on bufconn. It speaks the
// real wire types, by descriptors of its own.
type fakeNode struct {
	conn *grpc.ClientConn

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when anything below changes
	log     []entry       // of updates
	ended   []entry       // of completions
	end     int64
	calls   map[string]int // by method
	begins  []int64        // of the streams
	delay   time.Duration  // of checkpoints, as advertised; 0: not advertised
	id      string         // of the participant
	noEnd   bool           // GetLedgerEnd fails
	stream  func(turn int, s *serverStream) error
	ledger  *commands
}

// entry is what the ledger holds at an offset.
type entry struct {
	offset  int64
	message *dynamicpb.Message // GetUpdatesResponse or CompletionStreamResponse
}

// serverStream is one stream of updates at the server.
type serverStream struct {
	grpc.ServerStream
	node  *fakeNode
	at    int64 // the offset of what was sent last
	until int64 // 0: no end
	sent  int
	of    string // the full name of the messages
}

func newNode(t *testing.T) *fakeNode {
	t.Helper()
	n := &fakeNode{changed: make(chan struct{}), calls: make(map[string]int), id: "participant::1"}
	n.ledger = newCommands(n)
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.UnknownServiceHandler(n.handle))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	conn, err := grpc.NewClient("passthrough:///node", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	n.conn = conn
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		<-served
	})
	return n
}

// change changes the node and wakes its streams.
func (n *fakeNode) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

// add appends updates to the ledger.
func (n *fakeNode) add(offsets ...int64) {
	n.change(func() {
		for _, o := range offsets {
			n.log = append(n.log, entry{o, transaction(o)})
			n.end = o
		}
	})
}

// pass moves the ledger end over what the streams' filters leave out.
func (n *fakeNode) pass(end int64) { n.change(func() { n.end = end }) }

func (n *fakeNode) count(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[method]
}

// handle serves every method.
func (n *fakeNode) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	n.mu.Lock()
	turn := n.calls[method]
	n.calls[method]++
	n.mu.Unlock()
	reply := func(request, response *dynamicpb.Message) error {
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		return stream.SendMsg(response)
	}
	n.mu.Lock()
	end, delay, id, noEnd := n.end, n.delay, n.id, n.noEnd
	n.mu.Unlock()
	switch method {
	case methodUpdates:
		request := v2("GetUpdatesRequest", nil)
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		s := &serverStream{ServerStream: stream, node: n, of: apiV2 + "GetUpdatesResponse"}
		s.at, s.until = numberAt(request, "begin_exclusive"), numberAt(request, "end_inclusive")
		return n.serve(turn, s)
	case methodCompletions:
		request := v2("CompletionStreamRequest", nil)
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		s := &serverStream{ServerStream: stream, node: n, at: numberAt(request, "begin_exclusive"), of: apiV2 + "CompletionStreamResponse"}
		return n.serve(turn, s)
	case methodContracts:
		request := v2("GetActiveContractsRequest", nil)
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		return n.serve(turn, &serverStream{ServerStream: stream, node: n, at: numberAt(request, "active_at_offset"), of: "contracts"})
	case methodLedgerEnd:
		if noEnd {
			return status.Error(codes.Unavailable, "no ledger end")
		}
		return reply(v2("GetLedgerEndRequest", nil), v2("GetLedgerEndResponse", fields{"offset": end}))
	case methodVersion:
		version := v2("GetLedgerApiVersionResponse", fields{"version": "3.4.0"})
		if delay > 0 {
			fill(version, fields{"features": fields{"offset_checkpoint": fields{
				"max_offset_checkpoint_emission_delay": durationpb.New(delay),
			}}})
		}
		return reply(v2("GetLedgerEndRequest", nil), version)
	case methodParticipantID:
		if id == "" {
			return status.Error(codes.PermissionDenied, "not for you")
		}
		return reply(v2("GetLedgerEndRequest", nil), v2("GetParticipantIdResponse", fields{"participant_id": id}))
	default:
		return n.ledger.handle(method, stream)
	}
}

const (
	methodUpdates     = "/com.daml.ledger.api.v2.UpdateService/GetUpdates"
	methodCompletions = "/com.daml.ledger.api.v2.CommandCompletionService/CompletionStream"
	methodContracts   = "/com.daml.ledger.api.v2.StateService/GetActiveContracts"
)

// serve runs a stream as the test says, or to its end.
func (n *fakeNode) serve(turn int, s *serverStream) error {
	n.mu.Lock()
	n.begins = append(n.begins, s.at)
	script := n.stream
	n.mu.Unlock()
	if script != nil {
		if err := script(turn, s); err != errGoOn { //nolint:errorlint // it is that very value
			return err
		}
	}
	return s.tail(-1)
}

// errGoOn is what a script returns for a stream that goes on as it should.
var errGoOn = errors.New("go on")

// tail sends the next messages of the ledger as they come, count of them; -1 is all, until the client
// goes.
func (s *serverStream) tail(count int) error {
	n := s.node
	for {
		n.mu.Lock()
		log := n.log
		if s.of == apiV2+"CompletionStreamResponse" {
			log = n.ended
		}
		from, _ := slices.BinarySearchFunc(log, s.at+1, func(e entry, o int64) int { return int(e.offset - o) })
		batch, changed := slices.Clone(log[from:min(len(log), from+100)]), n.changed
		n.mu.Unlock()
		for _, e := range batch {
			if s.until > 0 && e.offset > s.until {
				return nil
			}
			if count == 0 {
				return errGoOn
			}
			s.at = e.offset
			count--
			s.sent++
			if err := s.SendMsg(e.message); err != nil {
				return err
			}
		}
		if count == 0 {
			return errGoOn
		}
		if len(batch) > 0 {
			continue
		}
		if s.until > 0 && s.at <= s.until && n.ledgerEnd() >= s.until {
			return nil
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

func (n *fakeNode) ledgerEnd() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.end
}

// silent keeps the stream open and sends nothing.
func (s *serverStream) silent() error {
	<-s.Context().Done()
	return s.Context().Err()
}

// clientStream is a Receiver of a message by descriptor.
type clientStream struct {
	grpc.ClientStream
	of string
}

func (c *clientStream) Recv() (*dynamicpb.Message, error) {
	m := message(c.of, nil)
	return m, c.RecvMsg(m)
}

// call opens a stream of the node.
func call(ctx context.Context, conn grpc.ClientConnInterface, method string, request *dynamicpb.Message, of string) (Receiver[*dynamicpb.Message], error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(request); err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return &clientStream{stream, of}, nil
}

// updates opens a stream of updates.
func (n *fakeNode) updates(ctx context.Context, begin Offset) (Receiver[*dynamicpb.Message], error) {
	return n.ranged(0)(ctx, begin)
}

// ranged opens streams with an end.
func (n *fakeNode) ranged(end int64) Open[*dynamicpb.Message] {
	return func(ctx context.Context, begin Offset) (Receiver[*dynamicpb.Message], error) {
		request := v2("GetUpdatesRequest", fields{"begin_exclusive": begin.Int64()})
		if end > 0 {
			fill(request, fields{"end_inclusive": end})
		}
		return call(ctx, n.conn, methodUpdates, request, apiV2+"GetUpdatesResponse")
	}
}

// damlError is an error as a node makes it.
func damlError(code codes.Code, id string, category int, retry time.Duration, metadata ...string) error {
	info := &errdetails.ErrorInfo{Reason: id, Metadata: map[string]string{"category": fmt.Sprint(category)}}
	for i := 0; i+1 < len(metadata); i += 2 {
		info.Metadata[metadata[i]] = metadata[i+1]
	}
	details := []protoadapt.MessageV1{protoadapt.MessageV1Of(info)}
	if retry > 0 {
		details = append(details, protoadapt.MessageV1Of(&errdetails.RetryInfo{RetryDelay: durationpb.New(retry)}))
	}
	s, err := status.New(code, fmt.Sprintf("%s(%d,abcd1234): words", id, category)).WithDetails(details...)
	if err != nil {
		panic(err)
	}
	return s.Err()
}

var _ proto.Message = (*dynamicpb.Message)(nil)
