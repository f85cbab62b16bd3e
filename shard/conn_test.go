package shard

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// methods returns the methods of the requests that a participant got.
func methods(p *participant) []string {
	var list []string
	for _, c := range p.requests() {
		list = append(list, c.method)
	}
	return list
}

func submit(t testing.TB, party string) proto.Message {
	return message(t, "SubmitRequest", `{"commands": {"act_as": ["`+party+`"]}}`)
}

func call(ctx context.Context, r *Router, method string, request proto.Message) error {
	return r.Invoke(ctx, "/com.daml.ledger.api.v2.Service/"+method, request, new(emptypb.Empty))
}

func TestACallGoesToTheShardOfItsParty(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{}, p1, p2)
	ctx := testkit.Context(t)
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	require.NoError(t, call(ctx, r, "SubmitToo", submit(t, "bob")))
	assert.Equal(t, []string{"Submit"}, methods(p1))
	assert.Equal(t, []string{"SubmitToo"}, methods(p2))
	s := r.Status()
	assert.EqualValues(t, 1, s.Shards[0].Requests)
	assert.EqualValues(t, 1, s.Shards[1].Requests)
}

func TestACallThatBelongsToNoShardIsRefusedWithAStatus(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice", "both"), newParticipant(t, "p2", "bob", "both")
	p2.parties["watched"] = PermissionObservation
	r := newRouter(t, Config{}, p1, p2)
	ctx := testkit.Context(t)
	for _, x := range []struct {
		name, json string
		code       codes.Code
		want       string
	}{
		{"SubmitRequest", `{"commands": {"act_as": ["alice", "bob"]}}`, codes.FailedPrecondition, `party "alice" on "p1", party "bob" on "p2"`},
		{"SubmitRequest", `{"commands": {"act_as": ["alice"], "read_as": ["bob"]}}`, codes.FailedPrecondition, `party "bob" on "p2"`},
		{"SubmitRequest", `{"commands": {"act_as": ["nobody"]}}`, codes.NotFound, `party "nobody": no shard hosts it with the permission to submit`},
		{"SubmitRequest", `{"commands": {"act_as": ["watched"]}}`, codes.NotFound, `"p2" hosted with observation`},
		{"SubmitRequest", `{"commands": {"act_as": ["both"]}}`, codes.FailedPrecondition, `party "both": on several shards`},
		{"SubmitRequest", `{}`, codes.FailedPrecondition, `nothing says which shard it belongs to: want a party in it`},
		{"SubmitRequest", `{"commands": {"act_as": ["a\nb"]}}`, codes.InvalidArgument, `party: "a b": want an ID of printable`},
		{"GetLedgerEndRequest", `{}`, codes.FailedPrecondition, `its answer is about one participant service`},
		{"interactive.ExecuteSubmissionRequest", `{"party_signatures": {"signatures": [{"party": "alice"}]}}`, codes.FailedPrecondition, `want WithShard`},
		{"admin.GetUserRequest", `{"user_id": "participant_admin"}`, codes.FailedPrecondition, `user "participant_admin": on several shards`},
		{"admin.GetUserRequest", `{"user_id": "ghost"}`, codes.NotFound, `user "ghost": no shard has it`},
	} {
		err := call(ctx, r, "Method", message(t, x.name, x.json))
		assert.Equal(t, x.code, status.Code(err), "%s %s", x.name, x.json)
		require.ErrorContains(t, err, x.want)
	}
	assert.Empty(t, methods(p1))
	assert.Empty(t, methods(p2))
	assert.EqualValues(t, 11, r.Status().AllRefused())
}

func TestTheDefaultTakesWhatSaysNothingAndIsNotAboutAParticipant(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{Default: "p2"}, p1, p2)
	ctx := testkit.Context(t)
	require.NoError(t, call(ctx, r, "Order", message(t, "example.shop.OrderRequest", `{"party": "alice"}`)))
	require.NoError(t, call(ctx, r, "CompletionStream", message(t, "CompletionStreamRequest", `{}`)))
	assert.Equal(t, []string{"Order", "CompletionStream"}, methods(p2))
	for _, name := range []string{"GetLedgerEndRequest", "GetUpdatesRequest", "admin.AllocatePartyRequest", "interactive.ExecuteSubmissionRequest"} {
		var e *UnroutedError
		require.ErrorAs(t, call(ctx, r, "Method", message(t, name, `{}`)), &e, name)
		assert.Equal(t, "/com.daml.ledger.api.v2.Service/Method", e.Method)
	}
	require.NoError(t, call(WithUser(ctx, "participant_admin"), r, "x", submit(t, "alice")), "the parties decide, and the user is on both")
}

func TestAContextOverrulesARequest(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	p2.users["u"] = fakeUser{}
	r := newRouter(t, Config{}, p1, p2)
	ctx := testkit.Context(t)
	require.NoError(t, call(WithShard(ctx, "p2"), r, "Execute", message(t, "interactive.ExecuteSubmissionRequest", `{}`)))
	require.NoError(t, call(WithShard(ctx, "p2"), r, "Submit", submit(t, "alice")))
	require.NoError(t, call(WithUser(ctx, "u"), r, "GetLedgerEnd", message(t, "GetLedgerEndRequest", `{}`)))
	require.NoError(t, call(WithParty(ctx, "bob"), r, "GetUpdates", message(t, "GetUpdatesRequest", `{}`)))
	assert.Equal(t, []string{"Execute", "Submit", "GetLedgerEnd", "GetUpdates"}, methods(p2))
	var split *SplitError
	require.ErrorAs(t, call(WithParty(ctx, "bob"), r, "Submit", submit(t, "alice")), &split)
	require.ErrorAs(t, call(WithUser(ctx, "u"), r, "Submit", submit(t, "alice")), &split)
	var unrouted *UnroutedError
	require.ErrorAs(t, call(WithParty(ctx, "bob"), r, "Execute", message(t, "interactive.ExecuteSubmissionRequest", `{}`)), &unrouted)
	for _, ctx := range []context.Context{WithParty(ctx, ""), WithUser(ctx, "\x00"), WithParty(ctx, "a\x00")} {
		var bad *RequestError
		require.ErrorAs(t, call(ctx, r, "Submit", submit(t, "alice")), &bad)
	}
	assert.Empty(t, methods(p1))
}

func TestAProgramReadsItsOwnRequests(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{Read: func(_ string, m any) (Request, bool) {
		order, ok := m.(interface{ ProtoReflect() protoreflect.Message })
		if !ok || order.ProtoReflect().Descriptor().FullName() != "example.shop.OrderRequest" {
			return Request{}, false
		}
		return Request{Parties: texts(order.ProtoReflect(), []string{"party"}), HTTP: true}, true
	}}, p1, p2)
	ctx := testkit.Context(t)
	require.NoError(t, call(ctx, r, "Order", message(t, "example.shop.OrderRequest", `{"party": "bob"}`)))
	require.NoError(t, call(ctx, r, "Submit", submit(t, "alice")))
	assert.Equal(t, []string{"Order"}, methods(p2))
	assert.Equal(t, []string{"Submit"}, methods(p1))
}

func TestAStreamIsOpenedAtTheShardOfItsFirstMessage(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{}, p1, p2)
	ctx := testkit.Context(t)
	s, err := r.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/com.daml.ledger.api.v2.UpdateService/GetUpdates")
	require.NoError(t, err)
	assert.Equal(t, ctx, s.Context())
	assert.Nil(t, s.Trailer())
	received := make(chan error)
	go func() { received <- s.RecvMsg(new(wrapperspb.StringValue)) }() // before anything is sent
	require.NoError(t, s.SendMsg(message(t, "GetUpdatesRequest", `{"update_format": {"include_reassignments": {"filters_by_party": {"bob": {}}}}}`)))
	require.NoError(t, s.CloseSend())
	require.NoError(t, testkit.Receive(t, received))
	require.ErrorIs(t, s.RecvMsg(new(emptypb.Empty)), io.EOF)
	_, err = s.Header()
	require.NoError(t, err)
	assert.NotNil(t, s.Trailer())
	assert.NotEqual(t, ctx, s.Context())
	assert.Equal(t, []string{"GetUpdates"}, methods(p2))
	assert.Empty(t, methods(p1))
}

func TestAStreamOfBothSidesStaysAtItsShard(t *testing.T) {
	p1, p2 := newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob")
	r := newRouter(t, Config{}, p1, p2)
	s, err := r.NewStream(WithParty(testkit.Context(t), "bob"), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/x.EchoService/Echo")
	require.NoError(t, err)
	require.NoError(t, s.SendMsg(wrapperspb.String("first")))
	require.NoError(t, s.RecvMsg(new(emptypb.Empty)))
	for _, text := range []string{"a", "b"} {
		require.NoError(t, s.SendMsg(wrapperspb.String(text)))
		var got wrapperspb.StringValue
		require.NoError(t, s.RecvMsg(&got))
		assert.Equal(t, text, got.GetValue())
	}
	require.NoError(t, s.CloseSend())
	require.ErrorIs(t, s.RecvMsg(new(emptypb.Empty)), io.EOF)
	assert.Equal(t, []string{"Echo"}, methods(p2))
}

func TestAStreamThatBelongsToNoShardFailsAndHoldsNothing(t *testing.T) {
	r := newRouter(t, Config{}, newParticipant(t, "p1", "alice"), newParticipant(t, "p2", "bob"))
	ctx := testkit.Context(t)
	open := func(ctx context.Context) grpc.ClientStream {
		s, err := r.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/com.daml.ledger.api.v2.UpdateService/GetUpdates")
		require.NoError(t, err)
		return s
	}
	s := open(ctx)
	var nowhere *NowhereError
	require.ErrorAs(t, s.SendMsg(message(t, "CompletionStreamRequest", `{"parties": ["carol"]}`)), &nowhere)
	require.ErrorAs(t, s.RecvMsg(new(emptypb.Empty)), &nowhere)
	require.ErrorAs(t, s.CloseSend(), &nowhere)
	_, err := s.Header()
	require.ErrorAs(t, err, &nowhere)
	assert.Nil(t, s.Trailer())
	assert.Equal(t, ctx, s.Context())

	var unrouted *UnroutedError
	require.ErrorAs(t, open(ctx).CloseSend(), &unrouted)
	require.NoError(t, open(WithParty(ctx, "alice")).CloseSend())

	ended, cancel := context.WithCancel(ctx)
	waits := open(ended)
	cancel()
	assert.Equal(t, codes.Canceled, status.Code(waits.RecvMsg(new(emptypb.Empty))))

	_, err = r.NewStream(WithShard(ctx, "p9"), &grpc.StreamDesc{}, "/x/y")
	var unknown *UnknownShardError
	require.ErrorAs(t, err, &unknown)
	assert.Equal(t, codes.FailedPrecondition, status.Code(err))
	_, err = r.NewStream(WithShard(ctx, "p1"), &grpc.StreamDesc{ClientStreams: true}, "/x/y")
	require.NoError(t, err)

	left := open(ctx)
	require.NoError(t, r.Close())
	require.ErrorIs(t, left.RecvMsg(new(emptypb.Empty)), ErrClosed)
	require.ErrorIs(t, call(ctx, r, "Submit", submit(t, "alice")), ErrClosed)
	assert.Equal(t, codes.Canceled, status.Code(call(ctx, r, "Submit", submit(t, "alice"))))
}
