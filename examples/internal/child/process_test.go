package child_test

import (
	"bufio"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

const partEnv = "CHILD_TEST_PART"

// TestMain is the child, too: in a test the program is the test's own binary.
func TestMain(m *testing.M) {
	switch os.Getenv(partEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "deaf": // as one that is stopped
		fmt.Println("ready")
		<-time.After(time.Minute)
	case "pid":
		fmt.Println(os.Getpid())
		_, _ = os.Stdin.Read(make([]byte, 1))
	default:
		fmt.Println("ready")
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println("heard " + lines.Text())
		}
	}
}

func start(t *testing.T, part string) (*child.Process, <-chan string) {
	t.Helper()
	lines := make(chan string, 10)
	p, err := child.Start([]string{partEnv + "=" + part}, func(line string) { lines <- line })
	require.NoError(t, err)
	t.Cleanup(p.Close)
	assert.Equal(t, "ready", next(t, lines))
	return p, lines
}

func next(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-time.After(testkit.Patience):
		require.Fail(t, "no line")
		return ""
	}
}

func TestAChildIsSpokenToByLinesAndEndsWithItsInput(t *testing.T) {
	p, lines := start(t, "echo")
	require.NoError(t, p.Tell("one"))
	require.NoError(t, p.Tell("two"))
	assert.Equal(t, "heard one", next(t, lines))
	assert.Equal(t, "heard two", next(t, lines))
	assert.Nil(t, p.State())
	p.Close()
	assert.True(t, p.State().Success())
	p.Close()
}

func TestAChildThatDoesNotListenIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	p, _ := start(t, "deaf")
	p.Close()
	assert.False(t, p.State().Success())
}

func TestAChildCanBeKilledAndStopped(t *testing.T) {
	p, _ := start(t, "echo")
	require.NoError(t, p.Signal(os.Interrupt))
	<-p.Ended()
	p, _ = start(t, "echo")
	require.NoError(t, p.Kill())
	<-p.Ended()
	assert.False(t, p.State().Success())
}
