//go:build unix

package leases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/internal/bench/netns"
)

const defaultTTL = 3 * time.Second

// Peers returns the names of what is compared.
func Peers() (names []string) {
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

// Faults returns the names of what happens to them.
func Faults() (names []string) {
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

// validate returns an error for a name that there is not.
func (o Options) validate() error {
	for _, given := range []struct {
		what            string
		names, possible []string
	}{{"peer", o.Peers, Peers()}, {"fault", o.Faults, Faults()}} {
		for _, name := range given.names {
			if !slices.Contains(given.possible, name) {
				return fmt.Errorf("%s %q: want one of %s", given.what, name, strings.Join(given.possible, "; "))
			}
		}
	}
	return nil
}

// Run measures all peers. What is not possible on this machine is left out, with a line
// in the log.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	report := &Report{TTL: o.TTL}
	if err := o.validate(); err != nil {
		return report, err
	}
	noNetwork := netns.Possible(ctx)
	if noNetwork != nil {
		sayf(o.Log, "lease: packets cannot be lost: left out: %v\n", noNetwork)
	}
	batches := o.batches(noNetwork == nil)
	for i, batch := range batches {
		began := time.Now()
		values, err := measure(ctx, batch, o.Log)
		report.Values = append(report.Values, values...)
		if err != nil {
			return report, err
		}
		sayf(o.Log, "lease: %d of %d, in %v\n", i+1, len(batches), time.Since(began).Round(time.Second))
	}
	slices.SortStableFunc(report.Values, func(a, b Value) int {
		return cmp.Or(
			slices.Index(Faults(), a.Fault)-slices.Index(Faults(), b.Fault),
			slices.Index(Peers(), a.Peer)-slices.Index(Peers(), b.Peer),
			a.Run-b.Run)
	})
	return report, nil
}

// batches returns what is measured at the same time: one fault of all peers, or all
// faults that only one store can have.
func (o Options) batches(private bool) (batches [][]measurement) {
	for run := range o.Runs {
		var rare []measurement
		for _, f := range faults {
			batch := o.batch(f, run, private)
			if f.only != "" {
				rare = append(rare, batch...)
			} else if len(batch) > 0 {
				batches = append(batches, batch)
			}
		}
		if len(rare) > 0 {
			batches = append(batches, rare)
		}
	}
	if o.AtOnce {
		return [][]measurement{slices.Concat(batches...)}
	}
	random := rand.New(rand.NewPCG(o.Seed, 0))
	random.Shuffle(len(batches), func(i, j int) { batches[i], batches[j] = batches[j], batches[i] })
	return batches
}

// batch returns the measurements of one fault.
func (o Options) batch(f fault, run int, private bool) (batch []measurement) {
	if !among(o.Faults, f.name) || (o.Short && !f.short) || (f.network && !private) {
		return nil
	}
	for _, p := range peers {
		if among(o.Peers, p.name) && (f.only == "" || f.only == p.store) {
			batch = append(batch, measurement{Peer: p.name, Fault: f.name, Run: run, TTL: o.TTL, Private: private})
		}
	}
	return batch
}

// among reports whether names has this one, or is empty.
func among(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

func sayf(w io.Writer, format string, args ...any) {
	if w != nil {
		_, _ = fmt.Fprintf(w, format, args...) // progress
	}
}

// measure makes a batch of measurements. No fault begins before all are ready, so that
// the start of one does not disturb another.
func measure(ctx context.Context, batch []measurement, log io.Writer) (values []Value, err error) {
	var started []*measurer
	for _, m := range batch {
		p, startErr := startMeasurer(m)
		if startErr != nil {
			err = startErr
			break
		}
		defer p.end() //nolint:revive // all of them end together
		started = append(started, p)
	}
	stop := context.AfterFunc(ctx, func() {
		for _, p := range started {
			_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	})
	defer stop()
	if err != nil {
		return nil, err
	}
	messages, err := all(started, (*measurer).next, log)
	started = slices.DeleteFunc(started, func(p *measurer) bool { return messages[p] == nil })
	if err != nil {
		return nil, err
	}
	messages, err = all(started, func(p *measurer) (message, error) {
		if err := p.proceed(); err != nil {
			return message{}, err
		}
		return p.next()
	}, log)
	for _, p := range started {
		if m := messages[p]; m != nil && m.Value != nil {
			values = append(values, *m.Value)
			sayf(log, "lease: %v\n", *m.Value)
		}
	}
	return values, cmp.Or(ctx.Err(), err)
}

// all asks all processes at once. One whose store is not installed has no message.
func all(started []*measurer, ask func(*measurer) (message, error), log io.Writer) (map[*measurer]*message, error) {
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		messages = map[*measurer]*message{}
		failed   error
	)
	for _, p := range started {
		wg.Go(func() {
			m, err := ask(p)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, errMissing):
				sayf(log, "lease: left out: %v\n", err)
			case err != nil:
				failed = errors.Join(failed, err)
			default:
				messages[p] = &m
			}
		})
	}
	wg.Wait()
	return messages, failed
}
