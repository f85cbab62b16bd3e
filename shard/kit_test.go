package shard

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cantonlb/cantonlb/internal/rawpb"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

// fakeUser is a user of a participant.
type fakeUser struct {
	primary       string
	actAs, readAs []string
}

// participant is a fake participant service on a real gRPC server. Its messages are made
// by hand, with the field numbers of the Ledger API.
type participant struct {
	name string
	conn *grpc.ClientConn

	mu      sync.Mutex
	id      string
	parties map[string]Permission
	// foreign are parties of another identity provider, which are hosted and not local.
	foreign map[string]bool
	users   map[string]fakeUser
	// admins are the tokens that may look up everything; "" stands for none.
	admins map[string]bool
	// v1 has no v2 services.
	v1 bool
	// offline is connected to no synchronizer.
	offline bool
	// noParties denies GetParties.
	noParties bool
	// failure is what every method returns. If hang is true, none returns.
	failure error
	hang    chan struct{}
	calls   map[string]int // by method
	got     []request      // what is no look-up
	// onRequest, if not nil, gets what is no look-up in place of got.
	onRequest func(request)
	page      int    // how many a page of a list has
	stuck     bool   // it lists its first page again and again
	garbage   []byte // what every look-up is answered with; nil if it is answered
}

// request is a request that a participant got.
type request struct {
	method  string
	message []byte
}

func newParticipant(t testing.TB, name string, parties ...string) *participant {
	t.Helper()
	p := &participant{
		name: name, id: name + "::1220", parties: make(map[string]Permission), foreign: make(map[string]bool),
		users: map[string]fakeUser{"participant_admin": {}}, admins: map[string]bool{"": true}, calls: make(map[string]int), page: 2,
	}
	for _, party := range parties {
		p.parties[party] = PermissionSubmission
	}
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(grpc.ForceServerCodec(rawpb.Codec{}), grpc.UnknownServiceHandler(p.handle))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(lis)
	}()
	conn, err := grpc.NewClient("passthrough:///"+name, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	require.NoError(t, err)
	p.conn = conn
	t.Cleanup(func() {
		p.set(func() { p.hang = nil })
		_ = conn.Close()
		srv.Stop()
		<-served
	})
	return p
}

// set changes the participant.
func (p *participant) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// stall makes all calls hang until the test ends or heal is called.
func (p *participant) stall(t testing.TB) (heal func()) {
	t.Helper()
	hang := make(chan struct{})
	p.set(func() { p.hang = hang })
	heal = sync.OnceFunc(func() {
		p.set(func() { p.hang = nil })
		close(hang)
	})
	t.Cleanup(heal)
	return heal
}

// count returns how many calls of a method there were.
func (p *participant) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[method]
}

// requests returns the requests that are no look-ups.
func (p *participant) requests() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *participant) handle(_ any, stream grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(stream)
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	method := full[strings.LastIndexByte(full, '/')+1:]
	token := ""
	if md, ok := metadata.FromIncomingContext(stream.Context()); ok && len(md.Get("authorization")) > 0 {
		token = strings.TrimPrefix(md.Get("authorization")[0], "Bearer ")
	}
	p.mu.Lock()
	p.calls[method]++
	hang, failure := p.hang, p.failure
	p.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
	if failure != nil {
		return failure
	}
	p.mu.Lock()
	reply, err := p.answer(full, method, token, message)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	if err := stream.SendMsg(reply); err != nil {
		return err
	}
	if strings.Contains(full, "EchoService") { // a stream of both sides
		for {
			if err := stream.RecvMsg(&message); err == io.EOF { //nolint:errorlint // as grpc defines it
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		}
	}
	return nil
}

// answer returns the reply to one request. p.mu is held.
func (p *participant) answer(full, method, token string, message []byte) ([]byte, error) {
	if p.v1 && strings.Contains(full, ".v2.") {
		return nil, status.Error(codes.Unimplemented, "no such method")
	}
	first, _ := rawpb.Text(message, 1)
	if p.noParties && method == "GetParties" {
		return nil, status.Error(codes.PermissionDenied, "not an admin")
	}
	own := token == "party:"+first
	if p.admins[token] || own && (method == "GetConnectedSynchronizers" || method == "GetParties") ||
		method == "GetConnectedSynchronizers" && first == "" || method == "GetParticipantId" && !p.v1 {
		return p.lookUp(method, first, message), p.missing(method, first)
	}
	if isLookUp(method) {
		return nil, status.Error(codes.PermissionDenied, "not an admin")
	}
	return p.lookUp(method, first, message), nil
}

func isLookUp(method string) bool {
	return slices.Contains([]string{
		"GetConnectedSynchronizers", "GetParties", "ListKnownParties", "ListUsers", "GetUser", "ListUserRights", "GetParticipantId",
	}, method)
}

func (p *participant) missing(method, first string) error {
	if _, ok := p.users[first]; !ok && (method == "GetUser" || method == "ListUserRights") {
		return status.Error(codes.NotFound, "no such user")
	}
	return nil
}

func (p *participant) lookUp(method, first string, message []byte) []byte {
	if p.garbage != nil && isLookUp(method) {
		return p.garbage
	}
	var reply []byte
	add := func(inner []byte) { reply = rawpb.AppendText(reply, 1, string(inner)) }
	switch method {
	case "GetParticipantId":
		return rawpb.AppendText(nil, 1, p.id)
	case "GetConnectedSynchronizers":
		permission, hosted := p.parties[first]
		if p.offline || first != "" && !hosted {
			return nil
		}
		number := map[Permission]uint64{PermissionSubmission: 1, PermissionConfirmation: 2, PermissionObservation: 3}[permission]
		add(rawpb.AppendNumber(rawpb.AppendText(rawpb.AppendText(nil, 1, "global"), 2, "global::1220"), 3, 3))
		if number != 3 {
			reply = nil
			add(rawpb.AppendNumber(rawpb.AppendText(nil, 2, "global::1220"), 3, number))
		}
	case "GetParties":
		add(p.details(first))
	case "ListKnownParties":
		names, next := p.paged(slices.Sorted(maps.Keys(p.parties)), message)
		for _, party := range names {
			add(p.details(party))
		}
		add(rawpb.AppendText(nil, 1, "elsewhere::1220"))
		reply = rawpb.AppendText(reply, 2, next)
	case "ListUsers":
		names, next := p.paged(slices.Sorted(maps.Keys(p.users)), message)
		for _, user := range names {
			add(rawpb.AppendText(rawpb.AppendText(nil, 1, user), 2, p.users[user].primary))
		}
		reply = rawpb.AppendText(reply, 2, next)
	case "GetUser":
		add(rawpb.AppendText(rawpb.AppendText(nil, 1, first), 2, p.users[first].primary))
	case "ListUserRights":
		add([]byte{0x0a, 0}) // participant_admin
		for i, list := range [][]string{p.users[first].actAs, p.users[first].readAs} {
			for _, party := range list {
				add(rawpb.AppendText(nil, protowire.Number(i+2), string(rawpb.AppendText(nil, 1, party))))
			}
		}
	default:
		got := request{method: method, message: slices.Clone(message)}
		if p.onRequest != nil {
			p.onRequest(got)
			return nil
		}
		p.got = append(p.got, got)
	}
	return reply
}

func (p *participant) details(party string) []byte {
	_, hosted := p.parties[party]
	local := uint64(0)
	if hosted && !p.foreign[party] {
		local = 1
	}
	return rawpb.AppendNumber(rawpb.AppendText(nil, 1, party), 3, local)
}

// paged returns one page of a list, and the token of the next one.
func (p *participant) paged(names []string, message []byte) (page []string, next string) {
	token, _ := rawpb.Text(message, 2)
	start := 0
	if token != "" && !p.stuck {
		_, _ = fmt.Sscanf(token, "%d", &start)
	}
	end := min(start+p.page, len(names))
	if end < len(names) {
		next = fmt.Sprint(end)
	}
	return names[start:end], next
}

// shards makes a shard of each participant.
func shards(list ...*participant) map[string]Shard {
	m := make(map[string]Shard)
	for _, p := range list {
		m[p.name] = Shard{Client: p.conn}
	}
	return m
}

func newRouter(t testing.TB, cfg Config, list ...*participant) *Router {
	t.Helper()
	return routerOf(t, shards(list...), cfg)
}

func routerOf(t testing.TB, list map[string]Shard, cfg Config) *Router {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := New(list, cfg)
	require.NoError(t, err)
	r.grace = testkit.Patience // a busy machine is slow
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// eventually waits for a condition.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 2*time.Millisecond)
}
