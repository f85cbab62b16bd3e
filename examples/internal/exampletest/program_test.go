package exampletest_test

import (
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

// childEnv makes this test binary the program that is run.
const childEnv = "EXAMPLETEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	fmt.Println("running")
	<-interrupted
	fmt.Fprintln(os.Stderr, "interrupted")
	fmt.Println("the end")
	os.Exit(3)
}

func TestAProgramGivesItsLinesAndItsExitCode(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	t.Setenv(childEnv, "1")

	p := exampletest.Start(t, self)
	p.WaitLine("run")
	p.Interrupt()
	result := p.Wait()
	assert.Equal(t, []string{"running", "the end"}, result.Lines)
	assert.Equal(t, "interrupted\n", result.Stderr)
	assert.Equal(t, 3, result.Code)
	assert.Equal(t, "the end", result.Last())
	assert.Equal(t, "running", result.Line("unn"))
	assert.Empty(t, result.Line("absent"))
}
