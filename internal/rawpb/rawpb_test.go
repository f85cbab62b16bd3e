package rawpb

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// encoded is a message with one string in its field 1.
func encoded(t testing.TB, text string) []byte {
	t.Helper()
	b, err := proto.Marshal(wrapperspb.String(text))
	require.NoError(t, err)
	return b
}

func TestTheCodecTakesBytesOnly(t *testing.T) {
	_, err := Codec{}.Marshal("text")
	require.ErrorContains(t, err, "cannot encode a string")
	require.ErrorContains(t, Codec{}.Unmarshal(nil, "text"), "cannot decode into a string")
}

// echo is a connection that replies with the request.
type echo struct{ grpc.ClientConnInterface }

func (echo) Invoke(_ context.Context, _ string, args, reply any, _ ...grpc.CallOption) error {
	data, err := Codec{}.Marshal(args)
	if err != nil {
		return err
	}
	return Codec{}.Unmarshal(data, reply)
}

func TestACallPassesBytesOn(t *testing.T) {
	reply, err := Call(t.Context(), echo{}, "/x/y", []byte("request"), 100)
	require.NoError(t, err)
	assert.Equal(t, "request", string(reply))
	assert.Equal(t, "proto", Codec{}.Name())
}

func TestEachFieldIsSeenInOrder(t *testing.T) {
	message := AppendText(AppendNumber(nil, 2, 7), 1, "seven")
	message = append(message, 0x1d, 1, 2, 3, 4) // a fixed32 in field 3
	var ids []protowire.Number
	require.NoError(t, Each(message, func(f Field) error {
		ids = append(ids, f.ID)
		if f.ID == 2 {
			assert.EqualValues(t, 7, f.Number)
		}
		if f.ID != 1 {
			return nil
		}
		text, err := f.Text()
		assert.Equal(t, "seven", text)
		return err
	}))
	assert.Equal(t, []protowire.Number{2, 1, 3}, ids)
	stop := errors.New("stop")
	require.ErrorIs(t, Each(message, func(Field) error { return stop }), stop)
	assert.Empty(t, AppendText(AppendNumber(nil, 2, 0), 1, ""))
}

// The decoder agrees with protobuf's own on every message, good or bad.
func FuzzText(f *testing.F) {
	f.Add(encoded(f, "participant1::1220"))
	f.Add([]byte{0x0a, 5, 'x'})
	f.Add([]byte{0x0a, 1, 0xff})
	f.Add([]byte{0x0b, 0x0a, 0, 0x0c})
	f.Fuzz(func(t *testing.T, message []byte) {
		text, err := Text(message, 1)
		var want wrapperspb.StringValue
		wantErr := proto.Unmarshal(message, &want)
		assert.Equal(t, wantErr == nil, err == nil, "%v, %v", wantErr, err)
		if wantErr == nil {
			assert.Equal(t, want.GetValue(), text)
		}
	})
}
