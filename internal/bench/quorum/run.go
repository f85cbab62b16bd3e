package quorum

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb/internal/bench/stats"
	"github.com/cantonlb/cantonlb/quorum"
)

// Options say how much is measured. The zero value means the full size.
type Options struct {
	Short bool
	Seed  uint64
	Runs  int // repetitions, default 3
	Log   io.Writer
}

const (
	workers  = 4
	deadline = time.Second
	// warmUp is how long a peer runs before it is measured: the time in which a member
	// that hangs becomes known.
	warmUp = time.Second
)

// Value is one measurement.
type Value struct {
	Members, Faults, Run int
	Peer                 string
	P50, P99             time.Duration
	// Requests is how many were made for each answer; Wrong and Failed how many calls
	// had a lie, or no answer.
	Requests      float64
	Calls         int
	Wrong, Failed int
}

// caller makes one call, and returns what it was told and how many requests it took.
type caller func(ctx context.Context) (answer string, requests int, err error)

// peer is one way to ask.
type peer struct {
	name string
	make func(*network) (caller, error)
}

// Peers are the names of those that are measured, in order.
func Peers() []string {
	var names []string
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

const (
	ours    = "quorum"
	control = "ask all, f + 1 equal"
)

var peers = []peer{
	{"one plain call", func(n *network) (caller, error) {
		last := n.conns[len(n.conns)-1] // the faulty ones come first
		return func(ctx context.Context) (string, int, error) {
			a, err := get(ctx, last)
			return a, 1, err
		}, nil
	}},
	{"ask all, wait for all", func(n *network) (caller, error) { return n.askAll(len(n.conns)), nil }},
	{control, func(n *network) (caller, error) { return n.askAll(quorum.Faulty(len(n.conns)) + 1), nil }},
	{ours, func(n *network) (caller, error) { return n.quorum(quorum.Config{}) }},
}

// Run measures every peer in every situation, in an order that is shuffled each time.
func Run(ctx context.Context, o Options) (*Report, error) {
	lasts, sizes := 10*time.Second, []int{4, 7, 13}
	if o.Short {
		lasts, sizes = 2*time.Second, []int{4, 7}
	}
	if o.Runs == 0 {
		o.Runs = 3
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	report := new(Report)
	for run := range o.Runs {
		for _, n := range sizes {
			for _, faults := range faultsOf(n) {
				for _, i := range rng.Perm(len(peers)) {
					p := peers[i]
					if o.Log != nil {
						_, _ = fmt.Fprintf(o.Log, "quorum: repetition %d of %d: %d members, %d faulty: %s\n", run+1, o.Runs, n, faults, p.name)
					}
					v, err := measure(ctx, n, faults, p, lasts)
					if err != nil {
						return report, err
					}
					v.Run = run
					report.Values = append(report.Values, v)
				}
			}
		}
	}
	return report, nil
}

// faultsOf returns how many of n members are faulty in the situations: none, one, and f.
func faultsOf(n int) []int {
	if f := quorum.Faulty(n); f > 1 {
		return []int{0, 1, f}
	}
	return []int{0, 1}
}

// measure has workers make calls one after the other.
func measure(ctx context.Context, n, faults int, p peer, lasts time.Duration) (v Value, err error) {
	net, err := newNetwork(ctx, n, faults)
	if err != nil {
		return v, err
	}
	defer net.close()
	call, err := p.make(net)
	if err != nil {
		return v, err
	}
	began := time.Now()
	v = Value{Members: n, Faults: faults, Peer: p.name}
	var mu sync.Mutex
	var times []float64
	requests := 0
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for time.Since(began) < warmUp+lasts && ctx.Err() == nil {
				start := time.Now()
				ctx, cancel := context.WithTimeout(ctx, deadline)
				got, asked, err := call(ctx)
				cancel()
				took := time.Since(start)
				mu.Lock()
				if start.Sub(began) >= warmUp {
					v.Calls++
					requests += asked
					times = append(times, took.Seconds())
					switch {
					case err != nil:
						v.Failed++
					case got != right:
						v.Wrong++
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	v.P50 = time.Duration(stats.Percentile(times, 50) * float64(time.Second))
	v.P99 = time.Duration(stats.Percentile(times, 99) * float64(time.Second))
	v.Requests = float64(requests) / float64(max(v.Calls, 1))
	return v, nil
}

// quorum is ours.
func (n *network) quorum(cfg quorum.Config) (caller, error) {
	var list []quorum.Member
	for i, cc := range n.conns {
		list = append(list, quorum.Member{Name: fmt.Sprintf("org%d", i+1), Conn: cc})
	}
	members, err := quorum.NewMembers(list, quorum.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, int, error) {
		a, v, err := quorum.Read(ctx, members, cfg,
			func(ctx context.Context, m quorum.Member) (string, error) { return get(ctx, m.Conn) }, func(s string) string { return s })
		return a, v.Asked, err
	}, nil
}

// askAll asks all members at the same time, and waits until so many have answered and
// f + 1 of them the same, or for all if that many are to answer.
func (n *network) askAll(least int) caller {
	agree := quorum.Faulty(len(n.conns)) + 1
	return func(ctx context.Context) (string, int, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		answers := make(chan string, len(n.conns))
		for _, cc := range n.conns {
			go func() {
				a, err := get(ctx, cc)
				if err != nil {
					a = ""
				}
				answers <- a
			}()
		}
		counts, winner := map[string]int{}, ""
		for i := range n.conns {
			a := <-answers
			if counts[a]++; a != "" && counts[a] >= agree {
				winner = a
			}
			if winner != "" && i+1 >= least {
				return winner, len(n.conns), nil
			}
		}
		return "", len(n.conns), errors.New("no agreement")
	}
}

func get(ctx context.Context, cc grpc.ClientConnInterface) (string, error) {
	reply := new(wrapperspb.StringValue)
	err := cc.Invoke(ctx, method, wrapperspb.String("question"), reply)
	return reply.GetValue(), err
}
