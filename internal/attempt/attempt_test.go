package attempt

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRecordTellsWhyTheNewestPickFoundNobody(t *testing.T) {
	r := new(Record)
	ctx := NewContext(context.Background(), r)
	assert.NoError(t, r.Err(), "there was no pick yet")

	why := errors.New("all are down")
	From(ctx).Refused(func() error { return why })
	assert.Equal(t, why, r.Err())

	From(ctx).Picked()
	assert.NoError(t, r.Err(), "what came before the newest pick is history")
}

func TestACallWithoutARecordTakesNoNotes(t *testing.T) {
	r := From(context.Background())
	assert.Nil(t, r)
	r.Refused(func() error { return errors.New("nobody hears") })
	r.Picked()
	assert.NoError(t, r.Err())
}
