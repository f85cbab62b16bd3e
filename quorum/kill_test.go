package quorum

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	consumerEnv     = "QUORUM_TEST_CONSUMER"
	consumerFileEnv = "QUORUM_TEST_CONSUMER_FILE"
)

// A consumer that is killed at any moment and started again, with what it has stored,
// misses no event and takes none twice.
func TestAConsumerThatIsKilledGoesOnWhereItWas(t *testing.T) {
	const events, kills = 3_000, 6
	var addrs []string
	for i := range 4 {
		s := sound(events)
		if i == 2 {
			s = forked(events, events/2)
		}
		addrs = append(addrs, serveLines(t, s))
	}
	file := filepath.Join(t.TempDir(), "events")
	self, err := os.Executable()
	require.NoError(t, err)
	for run := range kills + 1 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), consumerEnv+"="+strings.Join(addrs, ","), consumerFileEnv+"="+file)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		permits, err := cmd.StdinPipe() // a byte for each event that it may take
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		if run == kills {
			_, err = permits.Write(make([]byte, 2*events))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, out)
			require.NoError(t, err)
			require.NoError(t, cmd.Wait())
			break
		}
		some := 1 + rand.IntN(events/kills-20)
		_, err = permits.Write(make([]byte, some+16)) // so that it is in the midst of its work
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, out, int64(some)) // a byte for each event
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	var want strings.Builder
	for i := 1; i <= events; i++ {
		key := sum('v', right(i).key)
		fmt.Fprintf(&want, "%d %x %s\n", right(i).at, key[:], right(i).key)
	}
	assert.Equal(t, strings.Count(want.String(), "\n"), bytes.Count(got, []byte("\n")))
	assert.Equal(t, sum('v', want.String()), sum('v', string(got)))
}

// serveLines serves a source as lines, from the position that a client's line names.
func serveLines(t *testing.T, s source) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				defer stop()
				var at int
				if _, err := fmt.Fscanln(c, &at); err != nil {
					return
				}
				next := s(ctx, max(1, at/10))
				for {
					e, err := next()
					if err != nil {
						_, _ = io.WriteString(c, "end\n")
						return
					}
					if _, err := fmt.Fprintf(c, "%d %s\n", e.at, e.key); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// consume is the consumer: it appends each event to a file, in one write with its point.
func consume(addrs, file string) int {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return complain(err)
	}
	defer func() { _ = f.Close() }()
	stored, err := io.ReadAll(f)
	if err != nil {
		return complain(err)
	}
	stored = stored[:bytes.LastIndexByte(stored, '\n')+1] // a line that was cut off never happened
	if err := errors.Join(f.Truncate(int64(len(stored))), seek(f, int64(len(stored)))); err != nil {
		return complain(err)
	}
	cfg := StreamConfig[item, int64]{
		Open:     openLines,
		Position: func(e item) int64 { return e.at }, Key: func(e item) string { return e.key }, Finite: true, Buffer: 8,
	}
	if lines := strings.Split(strings.TrimSuffix(string(stored), "\n"), "\n"); lines[0] != "" {
		cfg.Resume = new(Point[int64])
		if _, err := fmt.Sscan(lines[len(lines)-1], &cfg.Resume.Position, &cfg.Resume.Key); err != nil {
			return complain(err)
		}
	}
	var list []Member
	for i, a := range strings.Split(addrs, ",") {
		list = append(list, Member{Name: fmt.Sprintf("org%d", i+1), URL: "http://" + a})
	}
	m, err := NewMembers(list, quiet())
	if err != nil {
		return complain(err)
	}
	s, err := NewStream(context.Background(), m, cfg)
	if err != nil {
		return complain(err)
	}
	defer s.Close()
	for {
		if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
			return complain(err)
		}
		e, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return complain(err)
		}
		point, _ := s.Point()
		if _, err := fmt.Fprintf(f, "%d %s %s\n", point.Position, point.Key, e.key); err != nil {
			return complain(err)
		}
		_, _ = os.Stdout.Write([]byte{'.'})
	}
}

func seek(f *os.File, to int64) error {
	_, err := f.Seek(to, io.SeekStart)
	return err
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func openLines(ctx context.Context, m Member, from *int64) (Receiver[item], error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(m.URL, "http://"))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = c.Close() })
	if _, err := fmt.Fprintln(c, deref(from)); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(c)
	return receiver(func() (e item, err error) {
		line, err := lines.ReadString('\n')
		if err != nil {
			return e, errors.Join(errBroken, err)
		}
		if line == "end\n" {
			return e, io.EOF
		}
		at, key, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		_, err = fmt.Sscan(at, &e.at)
		e.key = key
		return e, err
	}), nil
}
