package configerr_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/configerr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheTextHasWhatThereIs(t *testing.T) {
	for want, e := range map[string]configerr.Error{
		`a.b "x": is long; want less`: {Field: "a.b", Value: `"x"`, Problem: "is long", Want: "less"},
		`a.b 7: want less`:            {Field: "a.b", Value: "7", Want: "less"},
		`a.b: missing`:                {Field: "a.b", Problem: "missing"},
		`[...]: want a JSON object`:   {Value: "[...]", Want: "a JSON object"},
		`want valid JSON`:             {Want: "valid JSON"},
		`empty; want one`:             {Problem: "empty", Want: "one"},
	} {
		assert.EqualError(t, &e, want)
	}
}

func TestAllFindsEachErrorInOrder(t *testing.T) {
	a, b, c := &configerr.Error{Field: "a"}, &configerr.Error{Field: "b"}, &configerr.Error{Field: "c"}
	err := fmt.Errorf("client: %w", errors.Join(a, errors.New("other"), fmt.Errorf("file: %w", errors.Join(b, c))))
	assert.Equal(t, []*configerr.Error{a, b, c}, configerr.All(err))
	assert.Equal(t, []*configerr.Error{a}, configerr.All(a))
	assert.Nil(t, configerr.All(errors.New("other")))
	assert.Nil(t, configerr.All(nil))
}
