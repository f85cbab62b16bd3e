package identity_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/identity"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/resolver"
)

func TestAValidatorIsBoundedWhateverItDoes(t *testing.T) {
	says := func(r identity.Result, detail string) identity.Validator {
		return func(context.Context, grpc.ClientConnInterface, resolver.Endpoint) (identity.Result, string) {
			return r, detail
		}
	}
	for name, c := range map[string]struct {
		validator identity.Validator
		event     machine.ValidationEvent
		detail    string
	}{
		"expected":  {says(identity.OK, "ignored"), machine.SaidValid, ""},
		"another":   {says(identity.Mismatch, "B"), machine.SaidMismatch, "B"},
		"undecided": {says("retry", "it starts up"), machine.SaidRetry, "it starts up"},
		"it panics": {func(context.Context, grpc.ClientConnInterface, resolver.Endpoint) (identity.Result, string) {
			panic("x")
		}, machine.SaidRetry, "the validator has panicked"},
		"no answer": {func(ctx context.Context, _ grpc.ClientConnInterface, _ resolver.Endpoint) (identity.Result, string) {
			<-ctx.Done()
			return "", ""
		}, machine.SaidRetry, "no answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				event, detail := identity.NewAsker(new(guard.Left)).Ask(t.Context(), nil, c.validator, "a", resolver.Endpoint{})
				assert.Equal(t, c.event, event)
				assert.Equal(t, c.detail, detail)
			})
		})
	}
}
