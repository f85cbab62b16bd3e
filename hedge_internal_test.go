package cantonlb

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// oldMessage is a message of the older API of Go's proto messages.
type oldMessage struct {
	Value string `protobuf:"bytes,1,opt,name=value"`
}

func (m *oldMessage) Reset()         { *m = oldMessage{} }
func (m *oldMessage) String() string { return m.Value }
func (*oldMessage) ProtoMessage()    {}

// frame and octets have the methods of the older API, so that a codec of a proxy may
// fill them, and hold what no field of a message does. framed can copy that.
type frame struct{ payload []byte }

func (f *frame) Reset()         { *f = frame{} }
func (f *frame) String() string { return string(f.payload) }
func (*frame) ProtoMessage()    {}

type octets []byte

func (o *octets) Reset()         { *o = nil }
func (o *octets) String() string { return string(*o) }
func (*octets) ProtoMessage()    {}

type framed struct{ frame }

func (f *framed) Reset()                   { *f = framed{} }
func (f *framed) Marshal() ([]byte, error) { return f.payload, nil }

func (f *framed) Unmarshal(data []byte) error {
	f.payload = data
	return nil
}

// embedding is a message only by what it embeds.
type embedding struct {
	*wrapperspb.StringValue

	_ string
}

func TestTheReplyOfAHedgeReplacesThatOfTheCall(t *testing.T) {
	old := &oldMessage{Value: "before"}
	kind, ok := kindOf(old)
	require.True(t, ok)
	won, is := kind.empty().(*oldMessage)
	require.True(t, is, "as a codec expects it")
	won.Value = "after"
	(&outcome{reply: won}).adopt(old, nil)
	assert.Equal(t, "after", old.Value)

	own := new(framed)
	_, ok = kindOf(own)
	require.True(t, ok)
	(&outcome{reply: &framed{frame{payload: []byte("after")}}}).adopt(own, nil)
	assert.Equal(t, "after", own.String())

	reply := wrapperspb.String("before")
	kind, ok = kindOf(reply)
	require.True(t, ok)
	(&outcome{reply: kind.empty()}).adopt(reply, nil)
	assert.Empty(t, reply.GetValue())

	var none *wrapperspb.StringValue
	for _, other := range []any{nil, "text", none, new(frame), new(octets), &embedding{StringValue: reply}} {
		_, ok = kindOf(other)
		assert.False(t, ok, "%T", other)
	}
}

func TestTheOptionsOfACallReceiveWhatTheWinnerReceived(t *testing.T) {
	header, trailer, p := metadata.Pairs("a", "loser"), metadata.Pairs("b", "loser"), peer.Peer{}
	o := &outcome{header: metadata.Pairs("a", "winner"), err: grpc.ErrServerStopped}
	reply := wrapperspb.String("before")
	o.reply = wrapperspb.String("after")
	o.adopt(reply, []grpc.CallOption{grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p), grpc.WaitForReady(true)})
	assert.Equal(t, []string{"winner"}, header.Get("a"))
	assert.Empty(t, trailer)
	assert.Equal(t, "before", reply.GetValue(), "an error has no reply")
}

func TestFewMethodsThatAreNotHedgedAreNamed(t *testing.T) {
	r := &rescuer{}
	for i := range 2 * mostSkips {
		r.skipped.note(fmt.Sprint("/a.B/", i%(mostSkips+5)), 7)
	}
	assert.Len(t, r.notes(), mostSkips)
	assert.Contains(t, r.notes(), "calls of /a.B/3 are not hedged: a reply of type int is no proto message")
}
