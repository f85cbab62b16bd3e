// Command participant-failover shows what a client of a participant sees while one
// replica takes over from another. It starts two replicas, each a process, which
// share a PostgreSQL database as Canton's do: the one that holds an advisory lock
// there is active and serves a ledger; the other waits for the lock. Meanwhile the
// program submits commands and follows the updates. Then it kills the active
// replica, makes the next one step down, and stops the last one while that holds
// the lock. No command is lost or executed twice, and no update is missed.
//
//	go run ./examples/participant-failover
//
// The part that your program would contain is client.go; the rest is replicas,
// faults and counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

func main() {
	participant.RunIfReplica() // this process may be one of the replicas
	kind := flag.String("store", participant.Auto, "what the replicas share: postgres, memory, or auto: postgres if it is installed")
	rate := flag.Int("rate", 50, "commands a second, 1 to 1000")
	pause := flag.Duration("pause", time.Second, "time between the steps")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		exit(fmt.Errorf("argument %q: want flags only", flag.Arg(0)))
	case *kind != participant.Auto && *kind != participant.Postgres && *kind != participant.Memory:
		exit(fmt.Errorf("-store %q: want postgres, memory or auto", *kind))
	case *rate < 1 || *rate > 1000:
		exit(fmt.Errorf("-rate %d: want 1 to 1000", *rate))
	case *pause <= 0:
		exit(fmt.Errorf("-pause %v: want a duration above zero", *pause))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *kind, *rate, *pause)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "participant-failover:", err)
	os.Exit(1) //nolint:revive // called by main alone
}

func run(ctx context.Context, kind string, rate int, pause time.Duration) (err error) {
	shared, err := participant.OpenStore(ctx, kind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	replicas, err := participant.StartReplicas(ctx, shared.Address())
	if err != nil {
		return err
	}
	defer replicas.Close()

	client, err := connect(replicas.Endpoints())
	if err != nil {
		return err
	}
	defer client.Close()
	began := time.Now()
	out := func(format string, args ...any) {
		fmt.Printf("%6.2fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	out("the replicas share %s", shared.Describe())

	work := startWork(ctx, client, rate, out)
	script := &script{replicas: replicas, shared: shared, client: client, pause: pause, out: out}
	scriptErr := script.play(ctx)
	sums, workErr := work.stop() //nolint:contextcheck // the last updates may come after Ctrl-C
	if ctx.Err() != nil {
		return nil // Ctrl-C, which is no failure of the calls
	}
	if err := errors.Join(scriptErr, workErr); err != nil {
		return err
	}
	return report(ctx, shared, sums, script.expected)
}

// report compares what the client has seen with the ledger.
func report(ctx context.Context, shared participant.Store, s sums, switches int) error {
	ledger, err := shared.All(ctx)
	if err != nil {
		return err
	}
	problems := s.problems
	if len(ledger) != s.commands {
		problems = append(problems, fmt.Errorf("%d commands were accepted, and %d are in the ledger", s.commands, len(ledger)))
	}
	if s.updates != len(ledger) {
		problems = append(problems, fmt.Errorf("%d updates are in the ledger, and %d were seen", len(ledger), s.updates))
	}
	if s.switches != switches {
		problems = append(problems, fmt.Errorf("the client switched %d times, and %d were due", s.switches, switches))
	}
	fmt.Printf("longest wait of a command: %v; submitted again: %d; found done already: %d; stream opened: %d times\n",
		s.longest.Round(time.Millisecond), s.again, s.alreadyDone, s.opened)
	fmt.Printf("commands: %d ok, %d failed; updates: %d, each once and in order; switches: %d\n", s.commands, s.failed, s.updates, s.switches)
	return errors.Join(problems...)
}
