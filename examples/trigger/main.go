// Command trigger shows how a rule runs in one live instance, although its processes are
// killed, hang, or are cut off. Two machines' worth of processes, east and west, each have
// a process for the rules pink and green. A rule answers requests on a ledger. Its two
// processes compete for a lease in PostgreSQL; the one that holds it acts.
//
//	go run ./examples/trigger
//
// At the end the program prints who has held each lease when, and how many actions each
// took, and compares that with the ledger. It needs PostgreSQL.
//
// The part that your program would contain is trigger.go, and the function serve of
// process.go; the rest is machines, faults and counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/ledger"
)

func main() {
	participant.RunIfReplica() // this process may be a replica of the ledger, or a trigger
	runIfTrigger()
	ttl := flag.Duration("ttl", 2*time.Second, "how long a lease lasts after its last renewal, 500ms to 10s")
	rate := flag.Int("rate", 20, "requests a second for each rule, 1 to 200")
	pause := flag.Duration("pause", time.Second, "time between the steps")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		exit(fmt.Errorf("argument %q: want flags only", flag.Arg(0)))
	case *ttl < 500*time.Millisecond || *ttl > 10*time.Second:
		exit(fmt.Errorf("-ttl %v: want 500ms to 10s", *ttl))
	case *rate < 1 || *rate > 200:
		exit(fmt.Errorf("-rate %d: want 1 to 200", *rate))
	case *pause <= 0:
		exit(fmt.Errorf("-pause %v: want a duration above zero", *pause))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *ttl, *rate, *pause)
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		exit(err)
	}
}

func exit(err error) {
	if errors.Is(err, participant.ErrNotInstalled) {
		err = fmt.Errorf("%w, and this example needs it (Debian: apt-get install postgresql)", err)
	}
	fmt.Fprintln(os.Stderr, "trigger:", err)
	os.Exit(1) //nolint:revive // in place of main's end
}

func run(ctx context.Context, ttl time.Duration, rate int, pause time.Duration) (err error) {
	shared, err := participant.OpenStore(ctx, participant.Postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	replicas, err := participant.StartReplicas(ctx, shared.Address())
	if err != nil {
		return err
	}
	defer replicas.Close()
	if err := createTables(ctx, shared); err != nil {
		return err
	}
	client, err := cantonlb.NewClient(cantonlb.Config{Role: cantonlb.ParticipantLedger, Endpoints: replicas.Endpoints()})
	if err != nil {
		return err
	}
	defer client.Close()

	diary := newDiary()
	var machines []*machine
	defer func() {
		for _, m := range machines {
			err = errors.Join(err, m.close())
		}
	}()
	for _, name := range []string{"east", "west"} {
		m, err := newMachine(name, shared, replicas, ttl, diary)
		if err != nil {
			return err
		}
		machines = append(machines, m)
	}
	began := lease.System()
	out := func(format string, args ...any) {
		fmt.Printf("%6.2fs  %s\n", (lease.System() - began).Seconds(), fmt.Sprintf(format, args...))
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	asked := ask(ctx, asking, client, rate)
	s := &script{east: machines[0], west: machines[1], diary: diary, pause: pause, out: out}
	err = s.play(ctx)
	stop()
	if err := errors.Join(err, <-asked); err != nil {
		return err
	}
	if err := settle(ctx, shared); err != nil {
		return err
	}
	all, err := shared.All(ctx)
	if err != nil {
		return err
	}
	v := judge(diary.entries(), all)
	v.print(os.Stdout, began)
	line, err := v.summary()
	fmt.Println(line)
	return err
}

// createTables creates the tables of the leases.
func createTables(ctx context.Context, shared participant.Store) error {
	pool, err := pgxpool.New(ctx, strings.TrimPrefix(shared.Address(), participant.Postgres+":"))
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := pglease.New(pglease.Config{Pool: pool})
	if err != nil {
		return err
	}
	return store.CreateTables(ctx)
}

// ask makes requests for each rule until asking ends. Those that have begun are completed.
func ask(ctx, asking context.Context, client *cantonlb.Client, rate int) <-chan error {
	result := make(chan error, 1)
	submitter, stub := &ledger.Submitter{Node: ledger.NodeOf(client)}, v2.NewCommandServiceClient(client)
	one := func(rule string) error {
		for n := 1; cli.Wait(asking, time.Second/time.Duration(rate)); n++ {
			_, _, err := ledger.Submit(ctx, submitter, stub.SubmitAndWait, command(requestID(rule, strconv.Itoa(n)), ""),
				ledger.SubmitOptions[*v2.SubmitAndWaitResponse]{})
			if err != nil {
				return err
			}
		}
		return nil
	}
	go func() {
		errs := make([]error, len(rules))
		var each sync.WaitGroup
		for i, rule := range rules {
			each.Go(func() { errs[i] = one(rule) })
		}
		each.Wait()
		result <- errors.Join(errs...)
	}()
	return result
}

// settle waits until each request has an answer. Those that are lost are counted later.
func settle(ctx context.Context, shared participant.Store) error {
	waiting, cancel := context.WithTimeout(ctx, participant.StepLimit)
	defer cancel()
	for {
		all, err := shared.All(ctx)
		if err != nil {
			return err
		}
		open := 0
		for _, o := range judge(nil, all).outcomes {
			open += o.lost
		}
		if open == 0 || !cli.Wait(waiting, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}
