package exampletest_test

import (
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/examples/internal/exampletest"
)

func TestMain(m *testing.M) {
	exampletest.Main(m, func() {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		fmt.Println("running", os.Args[1])
		<-interrupted
		fmt.Fprintln(os.Stderr, "interrupted")
		fmt.Println("the end")
		os.Exit(3)
	})
}

func TestAProgramGivesItsLinesAndItsExitCode(t *testing.T) {
	p := exampletest.Start(t, "on")
	p.WaitLine("run")
	p.Interrupt()
	result := p.Wait()
	assert.Equal(t, []string{"running on", "the end"}, result.Lines)
	assert.Equal(t, "interrupted\n", result.Stderr)
	assert.Equal(t, 3, result.Code)
	assert.Equal(t, "the end", result.Last())
	assert.Equal(t, "running on", result.Line("unn"))
	assert.Empty(t, result.Line("absent"))
}
