package link_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/examples/internal/link"
	"github.com/cantonlb/cantonlb/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNothingPassesALinkThatIsCutAndEverythingArrivesLater(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	go func() { // echoes, for one connection
		if conn, err := server.Accept(); err == nil {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	l, err := link.New("tcp", "127.0.0.1:0", server.Addr().String())
	require.NoError(t, err)
	defer l.Close()
	conn, err := net.Dial("tcp", l.Address())
	require.NoError(t, err)
	defer conn.Close()
	lines := bufio.NewReader(conn)
	say := func(text string) {
		_, err := io.WriteString(conn, text+"\n")
		require.NoError(t, err)
	}
	hear := func(patience time.Duration) (string, error) {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		return lines.ReadString('\n')
	}
	say("one")
	got, err := hear(testkit.Patience)
	require.NoError(t, err)
	assert.Equal(t, "one\n", got)

	l.Cut()
	l.Cut()
	say("two")
	_, err = hear(50 * time.Millisecond)
	var late net.Error
	require.ErrorAs(t, err, &late)
	assert.True(t, late.Timeout(), "the connection was not ended")

	l.Mend()
	l.Mend()
	got, err = hear(testkit.Patience)
	require.NoError(t, err)
	assert.Equal(t, "two\n", got)

	l.Cut()
	l.Close()
	l.Close()
	_, err = hear(testkit.Patience)
	assert.Error(t, err, "Close ends a connection of a link that is cut")
}
