package quorum

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const method = "/test.Reads/Get"

func encoded(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

func truth(t testing.TB) http.HandlerFunc {
	t.Helper()
	return sayGRPC(encoded(t, wrapperspb.String("truth")))
}

// connTo returns a Conn over servers that answer so.
func connTo(t testing.TB, cfg ConnConfig, answers ...http.HandlerFunc) (*Conn, *Members) {
	t.Helper()
	var list []Member
	for i, a := range answers {
		list = append(list, dial(t, fmt.Sprintf("org%d", i+1), server(t, a)))
	}
	m, err := NewMembers(list, quiet())
	require.NoError(t, err)
	cfg.Methods = []string{method}
	c, err := NewConn(m, cfg)
	require.NoError(t, err)
	return c, m
}

func get(ctx context.Context, cc grpc.ClientConnInterface, opts ...grpc.CallOption) (string, error) {
	reply := new(wrapperspb.StringValue)
	err := cc.Invoke(ctx, method, wrapperspb.String("question"), reply, opts...)
	return reply.GetValue(), err
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Real servers that do what a server can to harm its client, up to f of them.
func TestACallIsAnsweredWhateverAFaultyServerDoes(t *testing.T) {
	huge := func(w http.ResponseWriter) {
		grpcHeader(w)
		_, _ = w.Write(binary.BigEndian.AppendUint32([]byte{0}, 1<<30))
	}
	lie := sayGRPC(encoded(t, wrapperspb.String("lie")))
	bad := harms(huge)
	bad["lies"] = lie
	bad["answers with an error"] = grpcStatus(int(codes.NotFound), "no such thing")
	for name, harm := range bad {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{4, 7} {
				var answers []http.HandlerFunc
				for i := range n {
					if i < Faulty(n) {
						answers = append(answers, harm)
					} else {
						answers = append(answers, truth(t))
					}
				}
				c, _ := connTo(t, ConnConfig{}, answers...)
				got, err := get(within(t, time.Minute), c) // the first also makes the connections
				require.NoError(t, err)
				require.Equal(t, "truth", got)
				used := allocated(func() {
					for range 20 {
						got, err := get(within(t, time.Minute), c)
						require.NoError(t, err)
						require.Equal(t, "truth", got)
					}
				})
				assert.Less(t, used, uint64(20*n*(1<<20)), "bytes allocated by 20 calls, servers included")
			}
		})
	}
}

// Thirteen members, of which four harm in four ways at the same time.
func TestACallIsAnsweredWhateverFourFaultyServersDo(t *testing.T) {
	all := harms(func(w http.ResponseWriter) {
		grpcHeader(w)
		_, _ = w.Write(binary.BigEndian.AppendUint32([]byte{0}, 1<<30))
	})
	all["lies"] = sayGRPC(encoded(t, wrapperspb.String("lie")))
	all["lies too"] = all["lies"]
	for round := range 3 {
		mix := rand.New(rand.NewPCG(uint64(round), 0))
		names := keys(all)
		mix.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		var answers []http.HandlerFunc
		for i := range 13 {
			if i < 4 {
				answers = append(answers, all[names[i]])
			} else {
				answers = append(answers, truth(t))
			}
		}
		c, _ := connTo(t, ConnConfig{}, answers...)
		for range 20 {
			got, err := get(within(t, time.Minute), c)
			require.NoError(t, err, names[:4])
			require.Equal(t, "truth", got, names[:4])
		}
	}
}

// The bytes of a map that the client's types do not know come in any order, and are
// neither compared nor returned.
func TestFieldsThatTheClientDoesNotKnowAreNotCompared(t *testing.T) {
	raw := make(map[string]struct{})
	var mix atomic.Uint64
	answer := func(w http.ResponseWriter, r *http.Request) {
		b := encoded(t, wrapperspb.String("truth"))
		for _, i := range rand.New(rand.NewPCG(mix.Add(1), 0)).Perm(5) {
			entry := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(i))
			b = protowire.AppendBytes(protowire.AppendTag(b, 99, protowire.BytesType), entry)
		}
		sayGRPC(b)(w, r)
	}
	c, m := connTo(t, ConnConfig{Config: Config{Agree: 4}}, slices.Repeat([]http.HandlerFunc{answer}, 4)...)
	for range 50 {
		reply := new(wrapperspb.StringValue)
		require.NoError(t, c.Invoke(within(t, time.Minute), method, wrapperspb.String("question"), reply))
		assert.Equal(t, "truth", reply.GetValue())
		assert.Empty(t, reply.ProtoReflect().GetUnknown())
	}
	assert.Empty(t, m.Events())
	for range 20 {
		reply := new(wrapperspb.StringValue)
		require.NoError(t, m.List()[0].Conn.Invoke(within(t, time.Minute), method, wrapperspb.String("question"), reply))
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(reply)
		require.NoError(t, err)
		raw[string(b)] = struct{}{}
	}
	assert.Greater(t, len(raw), 1, "with them, equal replies would differ")
}

func TestUnknownFieldsAreDroppedAtAnyDepth(t *testing.T) {
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)
	spoil := func(m proto.Message) { m.ProtoReflect().SetUnknown(unknown) }
	inner, err := anypb.New(wrapperspb.String("x"))
	require.NoError(t, err)
	inner.Value = append(inner.Value, unknown...)
	nested, err := anypb.New(inner)
	require.NoError(t, err)
	foreign := &anypb.Any{TypeUrl: "example.com/not.Known", Value: unknown}
	s, err := structpb.NewStruct(map[string]any{"list": []any{map[string]any{"a": 1.0}}, "text": "t"})
	require.NoError(t, err)
	clean := proto.Clone(s)
	spoil(s)
	spoil(s.GetFields()["list"].GetListValue().GetValues()[0])
	spoil(s.GetFields()["text"])
	got, err := canonical(s)
	require.NoError(t, err)
	want, err := canonical(clean)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.True(t, proto.Equal(clean, s), "they are not in the reply either")

	a, err := canonical(nested)
	require.NoError(t, err)
	assert.NotContains(t, string(a), string(unknown), "nor inside an Any whose type is known")
	wire, err := proto.Marshal(inner)
	require.NoError(t, err)
	dynamic := dynamicpb.NewMessage(inner.ProtoReflect().Descriptor())
	require.NoError(t, proto.Unmarshal(wire, dynamic))
	d, err := canonical(dynamic)
	require.NoError(t, err)
	assert.NotContains(t, string(d), string(unknown), "which may be a message by descriptor")
	b, err := canonical(foreign)
	require.NoError(t, err)
	assert.Contains(t, string(b), string(unknown), "one that is not known is compared by its bytes")

	_, err = canonical(&anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.StringValue", Value: []byte{0xff}})
	require.ErrorContains(t, err, "no google.protobuf.StringValue")
	deep := foreign
	for range maxAnyDepth + 2 {
		deep, err = anypb.New(deep)
		require.NoError(t, err)
	}
	_, err = canonical(deep)
	require.ErrorContains(t, err, "16 deep")
}

// FuzzReplyKey checks that the key of a reply depends on its known content alone.
func FuzzReplyKey(f *testing.F) {
	s, err := structpb.NewStruct(map[string]any{"a": []any{1.0, "x", nil}, "b": map[string]any{"c": true, "d": "e"}})
	require.NoError(f, err)
	whole, err := proto.Marshal(s)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(append(whole, 0x98, 0x06, 0x01))
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		one, two := new(structpb.Struct), new(structpb.Struct)
		if proto.Unmarshal(b, one) != nil {
			return
		}
		more := append(slices.Clone(b), 0x98, 0x06, 0x01) // a field that is not known
		require.NoError(t, proto.Unmarshal(more, two))
		x, err := canonical(one)
		require.NoError(t, err)
		y, err := canonical(two)
		require.NoError(t, err)
		require.Equal(t, x, y)
		again := new(structpb.Struct)
		require.NoError(t, proto.Unmarshal(x, again))
		z, err := canonical(again)
		require.NoError(t, err)
		require.Equal(t, x, z)
	})
}

func TestOnlyWhatIsComparedIsReturned(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Word-Of-One", "x")
		truth(t)(w, r)
	}
	c, _ := connTo(t, ConnConfig{}, answer, answer, answer, answer)
	header, trailer := metadata.Pairs("old", "1"), metadata.Pairs("old", "1")
	var p peer.Peer
	finished := 0
	_, err := get(within(t, time.Minute), c, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p),
		grpc.OnFinish(func(error) { finished++ }))
	require.NoError(t, err)
	assert.Empty(t, header)
	assert.Empty(t, trailer)
	assert.Nil(t, p.Addr)
	assert.Equal(t, 1, finished)
	_, err = get(within(t, time.Minute), c, grpc.MaxCallRecvMsgSize(3))
	require.Error(t, err, "the call's own limit holds")
	require.ErrorContains(t, err, string(ReasonTooLarge))
}

func TestAStatusIsAnAnswerIfItIsSaidToBe(t *testing.T) {
	missing := grpcStatus(int(codes.NotFound), "in words of its own")
	c, _ := connTo(t, ConnConfig{Answers: []codes.Code{codes.NotFound}}, truth(t), missing, missing, missing)
	_, err := get(within(t, time.Minute), c)
	assert.Equal(t, codes.NotFound, status.Code(err))
	assert.NotContains(t, err.Error(), "in words of its own")

	c, _ = connTo(t, ConnConfig{}, truth(t), missing, missing, missing)
	_, err = get(within(t, time.Minute), c)
	var none *NoQuorumError
	require.ErrorAs(t, err, &none)
	assert.Equal(t, codes.Unavailable, status.Code(err))
}

// What this program makes of a reply, such as of one that is too large, is no status of a member.
func TestAReplyThatIsGivenUpIsNoAnswer(t *testing.T) {
	large := sayGRPC(encoded(t, wrapperspb.String(strings.Repeat("x", 200))))
	c, _ := connTo(t, ConnConfig{Answers: []codes.Code{codes.Unknown}, MaxReply: 100}, truth(t), large, large, large)
	_, err := get(within(t, time.Minute), c)
	var none *NoQuorumError
	require.ErrorAs(t, err, &none)
	assert.Len(t, none.Verdict.Names(OutcomeFailed), 3)

	unknown := grpcStatus(int(codes.Unknown), "a member's own")
	c, _ = connTo(t, ConnConfig{Answers: []codes.Code{codes.Unknown}}, truth(t), unknown, unknown, unknown)
	_, err = get(within(t, time.Minute), c)
	assert.Equal(t, codes.Unknown, status.Code(err))
}

func TestTheCallersTokenIsNotGivenToTheMembers(t *testing.T) {
	var tokens, others atomic.Int32
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			tokens.Add(1)
		}
		if r.Header.Get("X-Other") == "kept" {
			others.Add(1)
		}
		truth(t)(w, r)
	}
	ctx := metadata.AppendToOutgoingContext(within(t, time.Minute), "authorization", "Bearer secret", "x-other", "kept")
	c, _ := connTo(t, ConnConfig{Config: Config{Agree: 4}}, answer, answer, answer, answer)
	_, err := get(ctx, c, grpc.PerRPCCredentials(token{}))
	require.NoError(t, err)
	assert.Zero(t, tokens.Load())
	assert.EqualValues(t, 4, others.Load())
	c, _ = connTo(t, ConnConfig{ForwardCredentials: true, Config: Config{Agree: 4}}, answer, answer, answer, answer)
	_, err = get(ctx, c)
	require.NoError(t, err)
	assert.EqualValues(t, 4, tokens.Load())
	_, err = get(within(t, time.Minute), c, grpc.PerRPCCredentials(token{}))
	require.NoError(t, err)
	assert.EqualValues(t, 8, tokens.Load())
}

// token is a caller's credentials.
type token struct{}

func (token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer secret"}, nil
}

func (token) RequireTransportSecurity() bool { return false }

func TestAKeyOrAStripFunctionSaysWhatIsCompared(t *testing.T) {
	var n atomic.Int64
	answer := func(w http.ResponseWriter, r *http.Request) { // the time at which each answers
		sayGRPC(encoded(t, &timestamppb.Timestamp{Seconds: 7, Nanos: int32(n.Add(1))}))(w, r)
	}
	all := slices.Repeat([]http.HandlerFunc{answer}, 4)
	ask := func(c *Conn) (*timestamppb.Timestamp, error) {
		reply := new(timestamppb.Timestamp)
		return reply, c.Invoke(within(t, time.Minute), method, wrapperspb.String("question"), reply)
	}
	c, _ := connTo(t, ConnConfig{}, all...)
	_, err := ask(c)
	require.Error(t, err)

	c, _ = connTo(t, ConnConfig{Strip: func(_ string, m proto.Message) { m.(*timestamppb.Timestamp).Nanos = 0 }}, all...)
	got, err := ask(c)
	require.NoError(t, err)
	assert.True(t, proto.Equal(&timestamppb.Timestamp{Seconds: 7}, got))

	c, _ = connTo(t, ConnConfig{Key: func(_ string, m proto.Message) (string, error) {
		return fmt.Sprint(m.(*timestamppb.Timestamp).GetSeconds()), nil
	}}, all...)
	got, err = ask(c)
	require.NoError(t, err)
	assert.EqualValues(t, 7, got.GetSeconds())

	c, m := connTo(t, ConnConfig{Key: func(string, proto.Message) (string, error) { return "", errBroken }}, all...)
	_, err = ask(c)
	require.Error(t, err)
	assert.Equal(t, ReasonInvalid, m.Events()[0].Reason)
}

// other is a connection that notes what it is given.
type other struct{ calls atomic.Int32 }

func (o *other) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	o.calls.Add(1)
	return nil
}

func (o *other) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	o.calls.Add(1)
	return nil, errBroken
}

func TestWhatIsNotDeclaredIsNotAskedOfTheMembers(t *testing.T) {
	o := new(other)
	list := names(4)
	for i := range list {
		list[i].Conn = new(other)
	}
	m, err := NewMembers(list, quiet())
	require.NoError(t, err)
	c, err := NewConn(m, ConnConfig{Methods: []string{"/a.B/*", "/c.D/E"}, Other: o})
	require.NoError(t, err)
	in, out := wrapperspb.String(""), wrapperspb.String("")
	for name, want := range map[string]bool{"/a.B/X": true, "/c.D/E": true, "/c.D/F": false, "/a.BC/X": false, "nothing": false} {
		before := o.calls.Load()
		require.NoError(t, c.Invoke(t.Context(), name, in, out), name)
		assert.Equal(t, want, o.calls.Load() == before, name)
	}
	_, err = c.NewStream(t.Context(), nil, "/s.T/U")
	require.ErrorIs(t, err, errBroken)
	assert.Equal(t, codes.Internal, status.Code(c.Invoke(t.Context(), "/c.D/E", 1, out)))

	c, err = NewConn(m, ConnConfig{Methods: []string{"/c.D/E"}})
	require.NoError(t, err)
	assert.Equal(t, codes.Unimplemented, status.Code(c.Invoke(t.Context(), "/c.D/F", in, out)))
	_, err = c.NewStream(t.Context(), nil, "/c.D/E")
	assert.Equal(t, codes.Unimplemented, status.Code(err))
}

func TestABadConnConfigIsRefused(t *testing.T) {
	list := names(4)
	for i := range list {
		list[i].Conn = new(other)
	}
	m, err := NewMembers(list, quiet())
	require.NoError(t, err)
	ok := []string{"/a.B/C"}
	for want, cfg := range map[string]ConnConfig{
		"methods: none":            {},
		`methods[0] "a.B/C": want`: {Methods: []string{"a.B/C"}},
		`methods[0] "/a.B/": want`: {Methods: []string{"/a.B/"}},
		`methods[1] "/a": want`:    {Methods: []string{"/a.B/C", "/a"}},
		"answers[0] OK":            {Methods: ok, Answers: []codes.Code{codes.OK}},
		"answers[1] Unavailable":   {Methods: ok, Answers: []codes.Code{codes.NotFound, codes.Unavailable}},
		"max reply -1":             {Methods: ok, MaxReply: -1},
		"agree 9":                  {Methods: ok, Config: Config{Agree: 9}},
	} {
		_, err := NewConn(m, cfg)
		assert.ErrorContains(t, err, want)
	}
	_, err = NewConn(nil, ConnConfig{Methods: ok})
	require.Error(t, err)
	_, err = NewConn(newMembers(t, 4), ConnConfig{Methods: ok})
	assert.ErrorContains(t, err, `member "org1": conn: nil`)
}
