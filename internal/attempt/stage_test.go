package attempt

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestACallIsLeftAloneOnlyWhileItsCredentialsAreAsked(t *testing.T) {
	r := new(Record)
	r.Picked(context.Background(), "a", "a:1")
	assert.True(t, r.Send())
	assert.False(t, r.Leave(), "it is being sent")
	r.Picked(context.Background(), "b", "b:1") // grpc's own retry
	assert.True(t, r.Leave())
	assert.True(t, r.Leave())
	assert.False(t, r.Send())
	r.Picked(context.Background(), "c", "c:1")
	assert.False(t, r.Send(), "it was left alone for good")
}
