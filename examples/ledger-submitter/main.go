// Command ledger-submitter shows how a program submits commands with package
// ledger, and compares that with programs without it. It starts two replicas of a
// participant, each a process, on one PostgreSQL database, and submits payments at
// a steady rate while it follows the updates. Meanwhile the active replica is
// killed, and the next one hangs. At the end it compares the outcomes that the
// client received with the ledger.
//
//	go run ./examples/ledger-submitter
//	go run ./examples/ledger-submitter -client loop     # as many programs do it by hand
//	go run ./examples/ledger-submitter -client grpc     # with grpc alone
//	go run ./examples/ledger-submitter -runs 10 -duration 60s -compare > docs/ledger.md
//
// The part that your program would contain is client.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

func main() {
	participant.RunIfReplica()
	s := settings{}
	flag.StringVar(&s.client, "client", "ledger", "ledger, loop or grpc")
	flag.IntVar(&s.runs, "runs", 1, "how many runs, 1 to 100")
	flag.IntVar(&s.rate, "rate", 20, "payments a second, 1 to 1000")
	flag.DurationVar(&s.duration, "duration", 20*time.Second, "of a run, at least 10s")
	flag.StringVar(&s.store, "store", participant.Auto, "what the replicas share: postgres, memory, or auto: postgres if it is installed")
	flag.BoolVar(&s.compare, "compare", false, "run all three clients, and write a page that compares them")
	flag.Parse()
	if err := s.check(); err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "ledger-submitter:", err)
	os.Exit(1) //nolint:revive // called by main alone
}

// settings holds the flags.
type settings struct {
	client, store string
	runs, rate    int
	duration      time.Duration
	compare       bool
}

func (s settings) check() error {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("argument %q: want flags only", flag.Arg(0))
	case !slices.Contains(clients, s.client):
		return fmt.Errorf("-client %q: want one of %q", s.client, clients)
	case s.runs < 1 || s.runs > 100:
		return fmt.Errorf("-runs %d: want 1 to 100", s.runs)
	case s.rate < 1 || s.rate > 1000:
		return fmt.Errorf("-rate %d: want 1 to 1000", s.rate)
	case s.duration < 10*time.Second:
		return fmt.Errorf("-duration %v: want at least 10s", s.duration)
	case !slices.Contains([]string{participant.Auto, participant.Postgres, participant.Memory}, s.store):
		return fmt.Errorf("-store %q: want postgres, memory or auto", s.store)
	}
	return nil
}

// run performs the runs and reports them.
func run(ctx context.Context, s settings) error {
	names := []string{s.client}
	if s.compare {
		names = clients
	}
	all := make(map[string][]result)
	for _, name := range names {
		for n := range s.runs {
			r, err := one(ctx, s, name)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s, run %d of %d: %v\n", name, n+1, s.runs, r)
			all[name] = append(all[name], r)
		}
	}
	if s.compare {
		fmt.Print(page(s, all))
		return nil
	}
	fmt.Print(summary(all[s.client]))
	for _, r := range all[s.client] {
		if s.client == "ledger" && (r.lost > 0 || r.twice > 0 || r.gaps > 0 || r.repeated > 0 || r.wrong > 0) {
			return errors.New("the client received a wrong outcome, or something was lost")
		}
	}
	return nil
}

// one performs one run: its own replicas, payments, faults, and the result.
func one(ctx context.Context, s settings, name string) (r result, err error) {
	shared, err := participant.OpenStore(ctx, s.store)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	replicas, err := participant.StartReplicas(ctx, shared.Address())
	if err != nil {
		return r, err
	}
	defer replicas.Close()
	c, err := dial(name, replicas.Endpoints())
	if err != nil {
		return r, err
	}
	defer c.close()

	work := start(ctx, c, s.rate)
	r.faults, err = play(ctx, replicas, shared, s.duration)
	told, seen := work.stop() //nolint:contextcheck // the last updates may come after Ctrl-C
	if err != nil {
		return r, err
	}
	ledger, err := shared.All(ctx)
	if err != nil {
		return r, err
	}
	r.add(told, seen, ledger)
	return r, nil
}
