package cantonlb

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

func anyOf(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	require.NoError(t, err)
	return a
}

func TestNoPartOfADetailHoldsASecret(t *testing.T) {
	const secret = "a/secret+of=this.TEST4711"
	cleantext.Hide(secret)
	fields, err := structpb.NewStruct(map[string]any{"x": map[string]any{secret: []any{secret, 7.0}}, "y": 1.0})
	require.NoError(t, err)
	info := &errdetails.ErrorInfo{Reason: "KEPT", Metadata: map[string]string{secret: "value", "key": secret}}
	var deep proto.Message = info
	for range 1000 {
		deep = anyOf(t, &statuspb.Status{Details: []*anypb.Any{anyOf(t, deep)}})
	}
	for name, c := range map[string]struct {
		detail *anypb.Any
		kept   string
	}{
		"a key and a value":    {anyOf(t, info), "KEPT"},
		"keys within values":   {anyOf(t, fields), "y"},
		"a detail of a detail": {anyOf(t, &statuspb.Status{Details: []*anypb.Any{anyOf(t, info)}}), "KEPT"},
		"a nested detail":      {anyOf(t, anyOf(t, info)), "KEPT"},
		"nested far too deep":  {anyOf(t, deep), "google.protobuf.Any"},
		"the type":             {&anypb.Any{TypeUrl: "type.googleapis.com/" + secret}, ""},
		"an unknown type":      {&anypb.Any{TypeUrl: "type.googleapis.com/a.B", Value: []byte(secret)}, ""},
	} {
		p := status.New(codes.Internal, "failed").Proto()
		p.Details = []*anypb.Any{c.detail}
		shown := status.Convert(scrubbed(t.Context(), status.FromProto(p).Err())).Proto()
		data, err := proto.Marshal(shown)
		require.NoError(t, err)
		assert.NotContains(t, string(data), secret, name)
		assert.Contains(t, string(data), c.kept, name)
		assert.NotContains(t, string(data), "TEST4711", name)
		assert.Less(t, len(data), 2000, name)
		assert.Equal(t, c.kept != "", len(shown.GetDetails()) > 0, name)
	}
}
