package recordpb_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cantonlb/cantonlb/examples/internal/recordpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The examples retry every call of the service, which only this allows.
func TestEveryMethodDeclaresThatItHasNoSideEffects(t *testing.T) {
	methods := recordpb.File_record_proto.Services().ByName("Records").Methods()
	require.NotZero(t, methods.Len())
	for i := range methods.Len() {
		options, ok := methods.Get(i).Options().(*descriptorpb.MethodOptions)
		require.True(t, ok)
		assert.Equal(t, descriptorpb.MethodOptions_NO_SIDE_EFFECTS, options.GetIdempotencyLevel(), methods.Get(i).Name())
	}
}
