package ledgerpb_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cantonlb/cantonlb/examples/internal/ledgerpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A program may link the real Ledger API as well, whose names are Daml's.
func TestTheServiceHasANameOfItsOwn(t *testing.T) {
	assert.Equal(t, "cantonlb.examples.ledger.v1", string(ledgerpb.File_ledger_proto.Package()))
}

// The example itself says what may be repeated, and why.
func TestNoMethodClaimsToBeIdempotent(t *testing.T) {
	methods := ledgerpb.File_ledger_proto.Services().ByName("Ledger").Methods()
	for i := range methods.Len() {
		options, _ := methods.Get(i).Options().(*descriptorpb.MethodOptions)
		assert.Equal(t, descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN, options.GetIdempotencyLevel(), methods.Get(i).Name())
	}
}
