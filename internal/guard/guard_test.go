package guard_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/internal/guard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ExampleCall() {
	fmt.Println(guard.Call("the observer", func() { fmt.Println("called") }))
	// Output:
	// called
	// true
}

func TestAPanicEndsWithTheCall(t *testing.T) {
	assert.False(t, guard.Call("a test", func() { panic(errors.New("on purpose")) }))
}

func TestALongStackIsCut(t *testing.T) {
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			panic(strings.Repeat("x", 10))
		}
		deep(n - 1)
	}
	assert.False(t, guard.Call("a test", func() { deep(200) }))
}
