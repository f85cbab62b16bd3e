package same

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnlyEqualValuesThatCanBeComparedAreTheSame(t *testing.T) {
	type own struct{ inner any }
	one, two := new(int), new(int)
	for _, c := range []struct {
		a, b any
		same bool
	}{
		{nil, nil, true},
		{nil, one, false},
		{one, nil, false},
		{one, one, true},
		{one, two, false},
		{(*int)(nil), (*int)(nil), true},
		{(*int)(nil), nil, false},
		{1, int64(1), false},
		{own{1}, own{1}, true},
		{own{[]int{1}}, own{[]int{1}}, false},
		{own{1}, own{[]int{1}}, false},
		{[]int(nil), []int(nil), false},
	} {
		assert.Equal(t, c.same, Value(c.a, c.b), "%#v and %#v", c.a, c.b)
	}
}

func ExampleValue() {
	fmt.Println(Value("a", "a"), Value([]int{1}, []int{1}))
	// Output: true false
}
