package resolver

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	grpcresolver "google.golang.org/grpc/resolver"
)

// warnings holds the lines of the program's log at the level of a warning or above.
var warnings = &syncBuffer{}

func init() {
	slog.SetDefault(slog.New(slog.NewTextHandler(warnings, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// about returns how many lines have the text.
func (b *syncBuffer) about(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.buf.Bytes(), []byte(text))
}

// fakeChannel is a fake of grpc's side of a resolver.
type fakeChannel struct {
	grpcresolver.ClientConn                                // what is not overridden must not be called
	take                    func(grpcresolver.State) error // runs within UpdateState; may be nil

	mu     sync.Mutex
	states []grpcresolver.State
}

func (f *fakeChannel) UpdateState(s grpcresolver.State) error {
	f.mu.Lock()
	f.states = append(f.states, s)
	f.mu.Unlock()
	if f.take != nil {
		return f.take(s)
	}
	return nil
}

func (f *fakeChannel) pushes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.states)
}

func (f *fakeChannel) last(t testing.TB) grpcresolver.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	require.NotEmpty(t, f.states)
	return f.states[len(f.states)-1]
}

// lastNames returns the names of the endpoints that were pushed last.
func (f *fakeChannel) lastNames(t testing.TB) []string {
	t.Helper()
	var names []string
	for _, e := range f.last(t).Endpoints {
		ours, ok := FromGRPC(e)
		require.True(t, ok)
		names = append(names, ours.Name)
	}
	return names
}

// named returns endpoints with these names.
func named(names ...string) []Endpoint {
	var list []Endpoint
	for _, n := range names {
		list = append(list, Endpoint{Name: n, Address: n + ":1"})
	}
	return list
}

func newStaticOf(t testing.TB, list []Endpoint, options ...Option) *Static {
	t.Helper()
	s, err := New(list, options...)
	require.NoError(t, err)
	return s
}

func build(t testing.TB, s *Static, cc grpcresolver.ClientConn, opts grpcresolver.BuildOptions) grpcresolver.Resolver {
	t.Helper()
	r, err := s.Build(grpcresolver.Target{}, cc, opts)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}
