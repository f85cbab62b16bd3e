package lease

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/lease/internal/machine"
	"github.com/cantonlb/cantonlb/lease/store"
)

// Config sets which lease a candidate wants, and how it keeps it. The zero value of
// each field except Store and Name means its default.
type Config struct {
	// Store stores the lease. Required.
	Store store.Store
	// Name is the name of the lease: 1 to 200 bytes of printable text. Required.
	Name string
	// Holder names the candidate for people: at most 200 bytes of printable text.
	// Random digits are added, so that two processes with the same Holder are two
	// candidates. Default: the host's name and the process's number.
	Holder string
	// TTL is how long the lease is held after its last renewal. Candidates may have
	// different values; the holder's applies. From 100 ms to 1 h, default 10 s. A store
	// may count in coarser steps, and then rounds up.
	TTL time.Duration
	// Margin is how long the context of work ends before another candidate can acquire
	// the lease. The rates of two clocks may differ by Margin/TTL. It must also cover
	// the delay of the program's timers. At least 1 ms, at most TTL/2; default TTL/10.
	Margin time.Duration
	// RenewEvery is how often a holder renews; each period is shortened by up to a
	// fifth at random. At most (TTL-Margin)/2, default TTL/3, or that if it is less.
	RenewEvery time.Duration
	// Poll is how often a candidate reads the lease while the store does not notify of
	// changes. Otherwise it reads shortly before a renewal is due, and then every
	// RenewEvery/10, but not more often than every Poll, until it sees the renewal. At
	// least 1 ms, default 200 ms, or RenewEvery if that is less.
	Poll time.Duration
	// StuckAfter is how long work may take to return after its lease was lost, before
	// that is reported. Default Margin/2.
	StuckAfter time.Duration
	// ExitWhenStuck ends the process with ExitCodeStuck when that is reported. If
	// StuckAfter is below Margin, that is before another candidate can acquire the
	// lease.
	ExitWhenStuck bool
	// Observe is called with each event, in order, by one goroutine. It may block
	// without affecting the lease. Run returns after the last call, but waits for
	// Observe and the Logger for a second at most once everything else has ended. Calls
	// that remain then follow when the one that blocks has returned.
	Observe func(Event)
	// Logger gets each event. Default slog.Default().
	Logger *slog.Logger
	// Clock is the candidate's clock. Default System. Tests in a bubble of
	// testing/synctest need Monotonic.
	Clock Clock
}

// The bounds of a Config.
const (
	maxName     = 200
	minTTL      = 100 * time.Millisecond
	maxTTL      = time.Hour
	minPeriod   = time.Millisecond
	defaultTTL  = 10 * time.Second
	defaultPoll = 200 * time.Millisecond
)

// withDefaults returns the Config with its defaults, or an error that names the field.
func (c Config) withDefaults() (Config, error) {
	if c.Store == nil {
		return c, errors.New("lease: Store is nil; want one, such as that of package pglease")
	}
	if c.Name == "" || !printable(c.Name) {
		return c, fmt.Errorf("lease: Name %q: want 1 to %d bytes of printable text", cleantext.Detail(c.Name), maxName)
	}
	if !printable(c.Holder) {
		return c, fmt.Errorf("lease: Holder %q: want at most %d bytes of printable text", cleantext.Detail(c.Holder), maxName)
	}
	if c.Holder == "" {
		host, _ := os.Hostname() // without one, the process's number and the random digits do
		c.Holder = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = System
	}
	return c.withPeriods()
}

func (c Config) withPeriods() (Config, error) {
	orElse := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	orElse(&c.TTL, defaultTTL)
	orElse(&c.Margin, c.TTL/10)
	most := (c.TTL - c.Margin) / 2
	orElse(&c.RenewEvery, min(c.TTL/3, most))
	orElse(&c.Poll, min(defaultPoll, c.RenewEvery))
	orElse(&c.StuckAfter, c.Margin/2)
	for _, f := range []struct {
		name        string
		value       time.Duration
		least, most time.Duration
	}{
		{"TTL", c.TTL, minTTL, maxTTL},
		{"Margin", c.Margin, minPeriod, c.TTL / 2},
		{"RenewEvery", c.RenewEvery, minPeriod, most},
		{"Poll", c.Poll, minPeriod, maxTTL},
		{"StuckAfter", c.StuckAfter, 0, maxTTL},
	} {
		if f.value < f.least || f.value > f.most {
			return c, fmt.Errorf("lease: %s %v: want %v to %v", f.name, f.value, f.least, f.most)
		}
	}
	return c, nil
}

// params are the settings of the state machine. The holder's name is made unique.
func (c Config) params() machine.Params {
	return machine.Params{
		Holder: fmt.Sprintf("%s/%016x", c.Holder, rand.Uint64()),
		TTL:    c.TTL, Margin: c.Margin, Renew: c.RenewEvery, Poll: c.Poll,
		Timeout: c.TTL / 5, Stuck: c.StuckAfter,
	}
}

func printable(text string) bool {
	return len(text) <= maxName && !strings.ContainsFunc(text, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsPrint(r)
	})
}
