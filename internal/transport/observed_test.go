package transport

import (
	"io"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// link is a held connection and its far end.
type link struct {
	t    *testing.T
	h    *Holder
	near net.Conn
	far  net.Conn
}

// newLink returns a held connection whose far end reads everything.
func newLink(t *testing.T) link {
	t.Helper()
	h := new(Holder)
	near, far := net.Pipe()
	l := link{t: t, h: h, near: h.hold(near, near), far: far}
	go func() { _, _ = io.Copy(io.Discard, far) }()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return l
}

// receive has the near end read what write writes, after some time.
func (l link) receive(write ...func(*http2.Framer) error) {
	l.t.Helper()
	time.Sleep(time.Second)
	b := wire(l.t, write...)
	go func() { _, _ = l.far.Write(b) }()
	_, err := io.ReadFull(l.near, make([]byte, len(b)))
	require.NoError(l.t, err)
}

func (l link) send(b []byte) {
	l.t.Helper()
	n, err := l.near.Write(b)
	require.NoError(l.t, err)
	require.Equal(l.t, len(b), n)
}

func TestAHolderKnowsWhenFramesAndPayloadWereRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t)
		assert.Zero(t, l.h.LastFrame())
		assert.Zero(t, l.h.LastPayload())
		assert.Zero(t, l.h.Since(l.h.Mark()))
		l.receive(settings())
		first := time.Now()
		assert.Equal(t, first, l.h.LastFrame())
		assert.Zero(t, l.h.LastPayload())

		mark := l.h.Mark()
		assert.Equal(t, Signs{}, l.h.Since(mark))
		l.receive(ping, reset, update(0, 5))
		assert.Equal(t, Signs{Frame: true}, l.h.Since(mark))
		l.receive(headers)
		assert.Equal(t, Signs{Frame: true, Payload: true}, l.h.Since(mark))
		assert.Equal(t, time.Now(), l.h.LastPayload())

		mark = l.h.Mark()
		time.Sleep(time.Second)
		assert.Equal(t, Signs{}, l.h.Since(mark))
		l.receive(ping)
		assert.Equal(t, 2*time.Second, l.h.LastFrame().Sub(l.h.LastPayload()))
	})
}

func TestAHolderTellsTheLimitOfStreamsAndGOAWAY(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t)
		changes := 0
		l.h.OnChange(func() { changes++ })
		assert.Equal(t, NoStreamLimit, l.h.StreamLimit())
		l.receive(settings())
		assert.Equal(t, NoStreamLimit, l.h.StreamLimit())
		assert.Zero(t, changes)
		for i, limit := range []uint32{20, 0, NoStreamLimit, 1} {
			l.receive(settings(streams(limit)))
			assert.Equal(t, limit, l.h.StreamLimit())
			assert.Equal(t, i+1, changes)
			l.receive(settings(streams(limit)), settings(), headers)
			assert.Equal(t, i+1, changes, "nothing has changed")
		}
		assert.False(t, l.h.GoAway())
		l.receive(goAway)
		assert.True(t, l.h.GoAway())
		assert.True(t, l.h.Dismissed())
		assert.Equal(t, 5, changes)
		l.receive(goAway)
		assert.Equal(t, 5, changes)
		l.receive(refuse)
		assert.False(t, l.h.Dismissed())
	})
}

func TestWindowUpdatesShowAQueueThatDrainsOnlyWhileMuchDataIsOutstanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t)
		l.receive(settings(), update(0, 1<<20))
		draining := func(write ...func(*http2.Framer) error) bool {
			mark := l.h.Mark()
			l.receive(write...)
			return l.h.Since(mark).Draining
		}
		l.send(append([]byte(preface), wire(t, settings(), headers, data(1, 100))...))
		assert.False(t, draining(update(0, 100)), "a small request")
		assert.False(t, draining(update(1, 100)))
		l.send(wire(t, data(1, 16<<10), data(1, 16<<10), data(1, 16<<10)))
		assert.False(t, draining(ping, headers))
		assert.True(t, draining(update(0, 16<<10)))
		assert.True(t, draining(update(1, 16<<10)), "the window of the stream")
		assert.False(t, draining(update(0, 16<<10)), "one frame is left, which the peer may keep without a word")
		assert.False(t, draining(update(0, 1<<20)), "the peer widens the window")
		l.send(wire(t, data(1, 16<<10), data(1, 16<<10)))
		assert.True(t, draining(update(0, 1<<10)), "a wide window excuses nothing later")
	})
}

func TestTheKernelsQueueShowsWhetherARequestHadToWaitInIt(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer lis.Close()
	raw, err := net.Dial("tcp", lis.Addr().String())
	require.NoError(t, err)
	defer raw.Close()
	far, err := lis.Accept()
	require.NoError(t, err)
	defer far.Close()
	h := new(Holder)
	near := h.hold(raw, raw)
	b := wire(t, settings())
	_, err = far.Write(b)
	require.NoError(t, err)
	_, err = near.Read(make([]byte, len(b)))
	require.NoError(t, err)

	assert.Contains(t, h.LastFrame().String(), " m=", "the system's clock may be set")
	assert.False(t, h.Since(h.Mark()).Draining, "nothing is queued")
	wrote := make(chan error, 1)
	go func() { // more than the kernels take while the peer does not read
		_, err := near.Write(make([]byte, 64<<20))
		wrote <- err
	}()
	queued := func() (n uint64) { n, _, _ = h.queue.state(); return n }
	stuck := func() bool { // the queue no longer changes
		before := h.Mark()
		timer := time.NewTimer(50 * time.Millisecond)
		<-timer.C
		return queued() > 0 && h.Mark().acked == before.acked
	}
	require.Eventually(t, stuck, 20*time.Second, time.Millisecond)
	mark := h.Mark()
	assert.False(t, h.Since(mark).Draining, "the peer takes nothing")
	_, err = io.ReadFull(far, make([]byte, 16<<20))
	require.NoError(t, err)
	assert.Eventually(t, func() bool { return h.Since(mark).Draining }, 20*time.Second, time.Millisecond)
	_, err = io.ReadFull(far, make([]byte, 48<<20))
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	assert.Eventually(t, func() bool { return queued() == 0 }, 20*time.Second, time.Millisecond)
	assert.False(t, h.Since(mark).Draining, "all that was queued has gone out")
}

// source is a connection from which the same bytes can be read for ever.
type source struct {
	net.Conn

	bytes []byte
	next  int
}

func (s *source) RemoteAddr() net.Addr { return nil }

func (s *source) Read(b []byte) (int, error) {
	if s.next == len(s.bytes) {
		s.next = 0
	}
	n := copy(b, s.bytes[s.next:])
	s.next += n
	return n, nil
}

// BenchmarkRead compares reading from a held connection with reading from the bare
// one: bulk DATA in reads of 64 KiB, and small frames in reads of 32 KiB, as grpc
// makes them, and one answer in each read.
func BenchmarkRead(b *testing.B) {
	small := []func(*http2.Framer) error{headers, data(1, 7), headers, update(0, 7), ping}
	for _, c := range []struct {
		name  string
		bytes []byte
		read  int
	}{
		{"64KiB", wire(b, data(1, 16375), data(1, 16375), data(1, 16375), data(1, 16375)), 64 << 10},
		{"small", wire(b, repeat(small, 500)...), 32 << 10},
		{"answer", wire(b, headers, data(1, 7), headers), 32 << 10},
	} {
		b.Run(c.name+"/bare", func(b *testing.B) { readFrom(b, &source{bytes: c.bytes}, c.read) })
		b.Run(c.name+"/held", func(b *testing.B) {
			conn := &source{bytes: wire(b, settings())}
			near := new(Holder).hold(conn, conn)
			_, err := near.Read(make([]byte, 100))
			require.NoError(b, err)
			conn.bytes, conn.next = c.bytes, 0
			readFrom(b, near, c.read)
		})
	}
}

func repeat[T any](all []T, n int) (out []T) {
	for range n {
		out = append(out, all...)
	}
	return out
}

func readFrom(b *testing.B, conn net.Conn, size int) {
	b.Helper()
	into := make([]byte, size)
	b.ReportAllocs()
	total := 0
	for b.Loop() {
		n, err := conn.Read(into)
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	b.SetBytes(int64(total / b.N))
}
