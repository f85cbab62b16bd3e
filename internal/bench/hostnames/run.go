package hostnames

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb/internal/nettest"
	"github.com/cantonlb/cantonlb/lbtest"
)

// Options say what is measured.
type Options struct {
	// Short runs all cases at the same time.
	Short bool
	// Runs is the number of repetitions.
	Runs int
	// Log receives the progress.
	Log io.Writer
}

// Value is what one peer has shown in one case in one run.
type Value struct {
	Case, Peer string
	Run        int
	// Healthy is how long after its start the first call of the peer succeeded. Never
	// reports that none did.
	Healthy time.Duration
	Never   bool
	// Calls is the number of calls, Failed how many of them failed, and Made how many
	// connections were accepted.
	Calls, Failed, Made int
	// Err is the error of the first call that failed, nil if none did.
	Err error
}

// The load.
const (
	pace     = 20 * time.Millisecond
	deadline = 10 * time.Second
)

// Cases returns the names of the cases, and Peers those of the peers, in the order of the
// tables.
func Cases() []string {
	var out []string
	for _, c := range situations {
		out = append(out, c.name)
	}
	return out
}

// Peers returns the names of the peers: see Cases.
func Peers() []string {
	var out []string
	for _, p := range peers {
		out = append(out, p.name)
	}
	return out
}

// Run measures all peers in all cases. Cases that this system cannot make are left out,
// with a message.
func Run(ctx context.Context, o Options) (*Report, error) {
	report := new(Report)
	for run := range max(1, o.Runs) {
		var wg sync.WaitGroup
		errs := make([]error, len(situations))
		found := make([][]Value, len(situations))
		for i, c := range situations {
			measure := func() { found[i], errs[i] = c.measure(ctx, i, run) }
			if o.Short {
				wg.Go(measure)
				continue
			}
			_, _ = fmt.Fprintf(o.Log, "names: run %d of %d, %s\n", run+1, max(1, o.Runs), c.name)
			measure()
		}
		wg.Wait()
		for i, c := range situations {
			switch {
			case errors.Is(errs[i], errNotHere):
				_, _ = fmt.Fprintf(o.Log, "names: %s: not measured: %v\n", c.name, errs[i])
			case errs[i] != nil:
				return report, fmt.Errorf("%s: %w", c.name, errs[i])
			}
			for _, v := range found[i] {
				if v.Err != nil {
					_, _ = fmt.Fprintf(o.Log, "names: %s: %s: %d calls failed, the first one: %v\n", v.Case, v.Peer, v.Failed, v.Err)
				}
				report.Values = append(report.Values, v)
			}
		}
	}
	return report, ctx.Err()
}

// measure runs all peers in one case, the i-th, at the same time.
func (c situation) measure(ctx context.Context, i, run int) ([]Value, error) {
	places := make([]*place, len(peers))
	for k := range peers {
		ips := make([]string, len(c.ways))
		for n := range ips {
			ips[n] = fmt.Sprintf("127.%d.%d.%d", 100+i, 1+k, 1+n)
		}
		if c.ipv6 {
			ips[0] = "::1"
		}
		at, err := c.place(ctx, ips)
		if err != nil {
			return nil, err
		}
		defer at.close() //nolint:revive // there are few
		places[k] = at
	}
	values, errs := make([]Value, len(peers)), make([]error, len(peers))
	var wg sync.WaitGroup
	for k, p := range peers {
		wg.Go(func() {
			values[k], errs[k] = c.observe(ctx, p, places[k])
			values[k].Case, values[k].Peer, values[k].Run = c.name, p.name, run
		})
	}
	wg.Wait()
	return values, errors.Join(errs...)
}

// tries is how often a port is looked for that is free at all addresses.
const tries = 10

// place makes the place of one peer.
func (c situation) place(ctx context.Context, ips []string) (p *place, err error) {
	for range tries {
		if p, err = newPlace(ctx, c, ips); err == nil || errors.Is(err, errNotHere) {
			return p, err
		}
	}
	return nil, err
}

// observe makes calls with one peer.
func (c situation) observe(ctx context.Context, p peer, at *place) (Value, error) {
	at.starts()
	start := time.Now()
	cc, end, err := p.open(at, c)
	if err != nil {
		return Value{}, err
	}
	v := Value{Never: true}
	var failed atomic.Int64
	var first, bad sync.Once
	var calls sync.WaitGroup
	tick := time.NewTicker(pace)
	for ; (v.Calls == 0 || time.Since(start) < c.lasts) && ctx.Err() == nil; v.Calls++ {
		calls.Go(func() {
			if err := call(ctx, cc); err != nil {
				failed.Add(1)
				bad.Do(func() { v.Err = err })
				return
			}
			first.Do(func() {
				v.Healthy, v.Never = time.Since(start), false
				if c.later != nettest.DNSWorks {
					at.dns.Become(c.later)
				}
			})
		})
		<-tick.C
	}
	tick.Stop()
	calls.Wait()
	v.Failed, v.Made = int(failed.Load()), int(at.made.Load())
	return v, errors.Join(end(), ctx.Err())
}

// call makes a call.
func call(ctx context.Context, cc grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	_, err := lbtest.Echo(ctx, cc, "hello")
	return err
}
