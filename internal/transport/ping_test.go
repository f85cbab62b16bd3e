package transport

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

func TestAPingIsWrittenBetweenTwoFramesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(Holder)
		assert.False(t, h.Ping(), "there is no connection")
		near, far := net.Pipe()
		conn := h.hold(near, near)
		assert.False(t, h.Ping(), "nothing was written yet")

		write := func(text string) {
			go func() { _, _ = conn.Write([]byte(text)) }()
			synctest.Wait()
		}
		read := func(n int) string {
			b := make([]byte, n)
			_, err := io.ReadFull(far, b)
			require.NoError(t, err)
			synctest.Wait()
			return string(b)
		}
		settings, data := "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x02\x00\x01\x00\x00\x00\x01ab"
		write(http2.ClientPreface)
		assert.False(t, h.Ping(), "the preface is being written")
		read(len(http2.ClientPreface))
		assert.False(t, h.Ping(), "the first frame has to be SETTINGS")
		write(settings + data[:5])
		read(len(settings) + 5)
		assert.False(t, h.Ping(), "within the header of a frame")
		write(data[5:10])
		read(5)
		assert.False(t, h.Ping(), "within a frame")
		write(data[10:])
		read(1)

		asked := make(chan bool, 1)
		go func() { asked <- h.Ping() }()
		synctest.Wait()
		write(data) // waits for its turn
		fr := http2.NewFramer(nil, far)
		frame, err := fr.ReadFrame()
		require.NoError(t, err)
		ping, ok := frame.(*http2.PingFrame)
		require.True(t, ok, "%v", frame)
		assert.False(t, ping.IsAck())
		assert.True(t, <-asked)
		assert.Equal(t, data, read(len(data)))

		go func() { _ = http2.NewFramer(far, nil).WriteSettings() }()
		_, err = io.ReadFull(conn, make([]byte, len(settings)))
		require.NoError(t, err)
		time.Sleep(time.Second)
		mark := h.Mark()
		assert.Zero(t, h.Since(mark))
		go func() { _ = http2.NewFramer(far, nil).WritePing(true, ping.Data) }()
		_, err = io.ReadFull(conn, make([]byte, len(pingFrame)))
		require.NoError(t, err)
		assert.Equal(t, Signs{Frame: true}, h.Since(mark))
		require.NoError(t, far.Close())
		assert.False(t, h.Ping(), "the connection is closed")
		assert.NoError(t, conn.Close())
	})
}
