package endpointset

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/telling"
	"github.com/cantonlb/cantonlb/report"
)

// logBook is a handler that keeps what it is given.
type logBook struct {
	level slog.Level
	attrs []slog.Attr
	book  *book
}

type book struct {
	mu      sync.Mutex
	records []map[string]any
	before  func() // called with each line, without the lock
}

func newLogBook(level slog.Level) *logBook { return &logBook{level: level, book: new(book)} }

func (b *logBook) Enabled(_ context.Context, l slog.Level) bool { return l >= b.level }

func (b *logBook) Handle(_ context.Context, r slog.Record) error {
	if b.book.before != nil {
		b.book.before()
	}
	line := map[string]any{"level": r.Level.String(), "message": r.Message, "time": r.Time}
	for _, a := range b.attrs {
		line[a.Key] = a.Value.Any()
	}
	r.Attrs(func(a slog.Attr) bool { line[a.Key] = a.Value.Any(); return true })
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	b.book.records = append(b.book.records, line)
	return nil
}

func (b *logBook) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logBook{level: b.level, attrs: append(slices.Clip(b.attrs), attrs...), book: b.book}
}

func (b *logBook) WithGroup(string) slog.Handler { return b }

// about gives the lines about an endpoint.
func (b *logBook) about(endpoint string) []map[string]any {
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	var out []map[string]any
	for _, r := range b.book.records {
		if name, _ := r["endpoint"].(string); name == endpoint {
			out = append(out, r)
		}
	}
	return out
}

// pushLogged gives the set a list, with a logger.
func (f *fixture) pushLogged(h slog.Handler, addrs ...string) {
	key, value := (&Options{Logger: slog.New(h)}).Attribute()
	f.deliver(func() {
		require.NoError(f.t, f.set.UpdateClientConnState(balancer.ClientConnState{
			ResolverState:  grpcresolver.State{Endpoints: endpointsOf(addrs...), Attributes: attributes.New(key, value)},
			BalancerConfig: &f.cfg,
		}))
	})
}

func TestEachEventIsOneLineWithItsAttributes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		b := newLogBook(slog.LevelDebug)
		f.pushLogged(b, "a")
		f.up("a")
		time.Sleep(time.Minute)
		f.server("a").set(notServing())
		synctest.Wait()
		lines := b.about("a")
		events := slices.DeleteFunc(f.set.teller.Events(), func(e report.Event) bool { return e.Endpoint != "a" })
		require.Len(t, lines, len(events))
		for i, e := range events {
			assert.Equal(t, e.Number, lines[i]["number"])
			assert.Equal(t, string(e.To), lines[i]["to"])
			assert.Equal(t, e.At, lines[i]["time"])
		}
		last := lines[len(lines)-1]
		assert.Equal(t, map[string]any{
			"level": "WARN", "message": "an endpoint has changed", "time": last["time"], "number": last["number"],
			"policy": "test_policy", "target": ":///", "endpoint": "a", "from": "healthy", "to": "unhealthy",
			"reason": "not_serving", "held": time.Minute,
		}, last)
		assert.Equal(t, "no endpoint is eligible", b.about("")[1]["message"])
	})
}

func TestTheLogTellsWhoTookOverFromWhom(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		b := newLogBook(slog.LevelInfo)
		f.pushLogged(b, "a", "b")
		f.up("a", "b")
		f.server("a").set(notServing())
		synctest.Wait()
		require.NoError(t, f.set.Pin("b"))
		require.NoError(t, f.set.Unpin())
		synctest.Wait()
		said := func(endpoint string) []string {
			var out []string
			for _, line := range b.about(endpoint) {
				out = append(out, fmt.Sprint(line["level"], " ", line["message"]))
			}
			return out
		}
		assert.Equal(t, []string{
			"INFO an endpoint has changed", "INFO an endpoint has changed",
			"INFO another endpoint is active", "INFO the active endpoint is pinned", "INFO the active endpoint is unpinned",
		}, said("b"))
		assert.Equal(t, []string{
			"INFO a list of endpoints is in effect", "WARN several endpoints say that they serve", "INFO only one endpoint says that it serves",
		}, said(""))
		for _, line := range b.about("b") {
			if line["message"] == "another endpoint is active" {
				assert.Equal(t, map[string]any{
					"level": "INFO", "message": line["message"], "time": line["time"], "number": line["number"],
					"policy": "test_policy", "target": ":///", "endpoint": "b", "from": "a", "to": "b", "switch": uint64(2), "reason": "not_serving",
				}, line)
			}
		}
	}, activePassive)
}

func TestAnEndpointThatFlapsDoesNotFillTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		b := newLogBook(slog.LevelInfo)
		f.pushLogged(b, "a", "b")
		f.up("a", "b")
		flaps := 0
		for range 600 { // a minute
			f.server("a").set(notServing())
			time.Sleep(50 * time.Millisecond)
			f.server("a").set(serving())
			time.Sleep(250 * time.Millisecond)
			flaps++
		}
		synctest.Wait()
		flapped := 180 * time.Second
		lines := b.about("a")
		assert.LessOrEqual(t, len(lines), telling.Burst+int(flapped/telling.Gap)+1)
		assert.Greater(t, len(lines), telling.Burst)

		time.Sleep(time.Minute)
		lines = b.about("a")
		last := lines[len(lines)-1]
		assert.Equal(t, string(f.status("a").State), last["to"], "the last line tells what is")
		told := 0
		for _, line := range lines {
			omitted, _ := line["omitted"].(int64)
			told += 1 + int(omitted)
		}
		var matter int
		for _, e := range f.set.teller.Events() {
			if e.Endpoint == "a" && telling.Level(e) >= slog.LevelInfo {
				matter++
			}
		}
		assert.GreaterOrEqual(t, told, 2*flaps)
		assert.LessOrEqual(t, matter, told, "the set remembers fewer of them than the log tells of")
		assert.Len(t, b.about("b"), 2, "the others have their lines")
	})
}

func TestWhatWaitsForItsLineIsWrittenWhenTheSetCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		b := newLogBook(slog.LevelInfo)
		f.pushLogged(b, "a", "b")
		f.up("a", "b")
		for range 2 * telling.Burst {
			require.NoError(t, f.set.SetDrained("a", true))
			require.NoError(t, f.set.SetDrained("a", false))
		}
		synctest.Wait()
		assert.Len(t, b.about("a"), telling.Burst)
		f.close()
		lines := b.about("a")
		require.Len(t, lines, telling.Burst+1)
		assert.Equal(t, "healthy", lines[telling.Burst]["to"])
		assert.Equal(t, int64(2+4*telling.Burst-telling.Burst-1), lines[telling.Burst]["omitted"])
	})
}

func TestAHandlerThatPanicsCostsItsLinesOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		b := newLogBook(slog.LevelInfo)
		b.book.before = func() { panic("no") }
		f.pushLogged(b, "a")
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		b.book.before = nil
		require.NoError(t, f.set.SetDrained("a", true))
		synctest.Wait()
		assert.Len(t, b.about("a"), 1, "it goes on")
	})
}

func TestAHandlerThatBlocksHoldsUpNeitherCallsNorClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		b := newLogBook(slog.LevelInfo)
		blocked := make(chan struct{})
		b.book.before = func() { <-blocked }
		f.pushLogged(b, "a")
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Equal(t, report.StateHealthy, f.status("a").State)
		before := time.Now()
		f.close()
		assert.Equal(t, closePatience, time.Since(before))
		close(blocked)
	})
}

func TestTheLogTellsThatItWasTooSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		b := newLogBook(slog.LevelInfo)
		blocked := make(chan struct{})
		b.book.before = func() { <-blocked }
		f.pushLogged(b, "a")
		f.up("a")
		for range telling.Kept {
			require.NoError(t, f.set.SetDrained("a", true))
			require.NoError(t, f.set.SetDrained("a", false))
		}
		close(blocked)
		synctest.Wait()
		slow := b.about("")[1]
		assert.Equal(t, "events are not in the log: it is too slow", slow["message"])
		assert.Greater(t, slow["omitted"], uint64(telling.Kept))
	})
}
