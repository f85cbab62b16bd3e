package transport

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// preface is what a client sends first.
const preface = http2.ClientPreface

// wire returns the bytes that write writes.
func wire(t testing.TB, write ...func(*http2.Framer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	framer := http2.NewFramer(&b, nil)
	framer.AllowIllegalWrites = true
	for _, w := range write {
		require.NoError(t, w(framer))
	}
	return b.Bytes()
}

func settings(s ...http2.Setting) func(*http2.Framer) error {
	return func(f *http2.Framer) error { return f.WriteSettings(s...) }
}

func ack(f *http2.Framer) error { return f.WriteSettingsAck() }

func data(stream uint32, n int) func(*http2.Framer) error {
	return func(f *http2.Framer) error { return f.WriteData(stream, false, make([]byte, n)) }
}

func headers(f *http2.Framer) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("x"), EndHeaders: true})
}

func continuation(f *http2.Framer) error { return f.WriteContinuation(1, true, []byte("x")) }

func ping(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) }

func goAway(f *http2.Framer) error { return f.WriteGoAway(1, http2.ErrCodeNo, []byte("bye")) }

func refuse(f *http2.Framer) error {
	return f.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings"))
}

func reset(f *http2.Framer) error { return f.WriteRSTStream(1, http2.ErrCodeCancel) }

func update(stream, n uint32) func(*http2.Framer) error {
	return func(f *http2.Framer) error { return f.WriteWindowUpdate(stream, n) }
}

func streams(n uint32) http2.Setting {
	return http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: n}
}

// add adds up what was found in two pieces that follow each other.
func (f *frames) add(g frames) {
	f.payload, f.updates, f.goAway = f.payload || g.payload, f.updates || g.updates, f.goAway || g.goAway
	f.refused = f.refused || g.refused
	f.data += g.data
	f.credit += g.credit
	if g.limited {
		f.limited, f.limit = true, g.limit
	}
}

// scanPieces scans b in pieces whose lengths next returns.
func scanPieces(s scanner, b []byte, next func() int) (frames, scanner) {
	var all frames
	for len(b) > 0 {
		n := min(max(1, next()), len(b))
		all.add(s.scan(b[:n]))
		b = b[n:]
	}
	return all, s
}

func whole() int { return 1 << 30 }

func TestTheScannerFindsEachKindOfFrame(t *testing.T) {
	for name, c := range map[string]struct {
		write []func(*http2.Framer) error
		want  frames
	}{
		"nothing more":          {nil, frames{}},
		"headers":               {[]func(*http2.Framer) error{headers}, frames{payload: true}},
		"continuation":          {[]func(*http2.Framer) error{continuation}, frames{payload: true}},
		"data":                  {[]func(*http2.Framer) error{data(1, 7), data(3, 5)}, frames{payload: true, data: 12}},
		"empty data":            {[]func(*http2.Framer) error{data(1, 0)}, frames{payload: true}},
		"ping":                  {[]func(*http2.Framer) error{ping}, frames{}},
		"reset":                 {[]func(*http2.Framer) error{reset}, frames{}},
		"goaway":                {[]func(*http2.Framer) error{goAway}, frames{goAway: true}},
		"goaway, an error":      {[]func(*http2.Framer) error{refuse}, frames{goAway: true, refused: true}},
		"credit":                {[]func(*http2.Framer) error{update(0, 70), update(0, 1)}, frames{updates: true, credit: 71}},
		"credit of a stream":    {[]func(*http2.Framer) error{update(3, 70)}, frames{updates: true}},
		"acknowledged settings": {[]func(*http2.Framer) error{ack}, frames{}},
		"a limit": {
			[]func(*http2.Framer) error{settings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15}, streams(20))},
			frames{limited: true, limit: 20},
		},
		"a limit of none":        {[]func(*http2.Framer) error{settings(streams(0))}, frames{limited: true}},
		"the last of two limits": {[]func(*http2.Framer) error{settings(streams(1)), settings(streams(2), streams(3))}, frames{limited: true, limit: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			b := wire(t, append([]func(*http2.Framer) error{settings()}, c.write...)...)
			for n := range b {
				got, s := scanPieces(scanner{}, b, func() int { return n + 1 })
				require.Equal(t, c.want, got, "in pieces of %d bytes", n+1)
				require.False(t, s.lost)
				got, _ = scanPieces(newClientScanner(), append([]byte(preface), b...), func() int { return n + 1 })
				require.Equal(t, c.want, got, "of a client, in pieces of %d bytes", n+1)
			}
		})
	}
}

func TestEachPieceOfALargeFrameIsPayload(t *testing.T) {
	var s scanner
	s.scan(wire(t, settings()))
	b := wire(t, data(1, 100))
	assert.True(t, s.scan(b[:50]).payload)
	assert.Equal(t, frames{payload: true}, s.scan(b[50:60]), "its length counts once")
	assert.Equal(t, frames{payload: true}, s.scan(b[60:]))
	assert.Equal(t, frames{}, s.scan(wire(t, ping)))
}

func TestWhatIsNotHTTP2IsIgnoredForEver(t *testing.T) {
	long := wire(t, settings())
	for name, b := range map[string][]byte{
		"another protocol":           []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"no settings":                wire(t, headers),
		"settings of odd length":     {0, 0, 5, 4, 0, 0, 0, 0, 0},
		"a window update of 5 bytes": append(long, 0, 0, 5, 8, 0, 0, 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			got, s := scanPieces(scanner{}, append(b, wire(t, settings(streams(1)), headers, goAway)...), whole)
			assert.Equal(t, frames{}, got)
			assert.True(t, s.lost)
		})
	}
}

// reference finds the same with the framer of package http2. ok is false if that does
// not read all of b as frames.
func reference(b []byte) (found frames, ok bool) {
	framer := http2.NewFramer(nil, bytes.NewReader(b))
	framer.AllowIllegalReads = true
	framer.SetMaxReadFrameSize(1<<24 - 1)
	for first, end := true, 0; end < len(b); first = false {
		frame, err := framer.ReadFrame()
		if err != nil {
			return frames{}, false
		}
		end += frameHeaderLength + int(frame.Header().Length)
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			for i := 0; i < frame.NumSettings() && !frame.IsAck(); i++ {
				if s := frame.Setting(i); s.ID == http2.SettingMaxConcurrentStreams {
					found.limited, found.limit = true, s.Val
				}
			}
		case *http2.DataFrame:
			found.payload = true
			found.data += uint64(frame.Length)
		case *http2.HeadersFrame, *http2.ContinuationFrame:
			found.payload = true
		case *http2.WindowUpdateFrame:
			found.updates = true
			if frame.StreamID == 0 {
				found.credit += uint64(frame.Increment)
			}
		case *http2.GoAwayFrame:
			found.goAway = true
			found.refused = found.refused || frame.ErrCode != http2.ErrCodeNo
		default:
		}
		if _, isSettings := frame.(*http2.SettingsFrame); first && !isSettings {
			return frames{}, false
		}
	}
	return found, true
}

func TestTheScannerAgreesWithTheFramerOfPackageHTTP2(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0)) // a failing seed must fail again
		writers := []func(*http2.Framer) error{settings(streams(r.Uint32()))}
		for range r.IntN(40) {
			n := r.Uint32N(40_000)
			writers = append(writers, []func(*http2.Framer) error{
				headers, ping, goAway, reset, ack, data(1, int(n)), update(r.Uint32N(2), 1+n), settings(), settings(streams(n), streams(n/2)),
				refuse,
			}[r.IntN(10)])
		}
		b := wire(t, writers...)
		want, ok := reference(b)
		require.True(t, ok)
		got, _ := scanPieces(scanner{}, b, func() int { return r.IntN(1 + r.IntN(20_000)) })
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// FuzzScanner feeds anything in any pieces. Wherever the framer of package http2 reads
// the bytes to their end, the scanner finds the same.
func FuzzScanner(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), uint64(1))
	f.Add(wire(f, settings(streams(100)), update(0, 1<<20), ack, headers, data(1, 5), headers), uint64(2))
	f.Add(wire(f, settings(), ping, goAway, reset), uint64(3))
	f.Add(append(wire(f, settings()), 0, 0, 7, 7, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7), uint64(6))
	f.Add(append(wire(f, settings()), 0, 0, 5, 8, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5), uint64(4))
	f.Add([]byte{0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9}, uint64(5))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		before := bytes.Clone(b)
		inOne, s := scanPieces(scanner{}, b, whole)
		inPieces, p := scanPieces(scanner{}, b, func() int { return r.IntN(64) })
		require.Equal(t, inOne, inPieces)
		require.Equal(t, before, b, "the bytes are unchanged")
		s.part, p.part = [frameHeaderLength]byte{}, [frameHeaderLength]byte{} // what is left in them depends on the pieces
		require.Equal(t, s, p)
		if want, ok := reference(b); ok {
			require.Equal(t, want, inOne)
		}
		scanPieces(newClientScanner(), b, func() int { return r.IntN(64) })
	})
}
