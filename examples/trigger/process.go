package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/pglease"
)

// The environment of a trigger's process. The rule marks it as one.
const (
	ruleEnv      = "TRIGGER_RULE"
	machineEnv   = "TRIGGER_MACHINE"
	databaseEnv  = "TRIGGER_DATABASE"
	endpointsEnv = "TRIGGER_ENDPOINTS"
	ttlEnv       = "TRIGGER_TTL"
)

// What a process tells: a word, a token, a reading of the clock that all processes of this
// machine share, and a text.
const (
	sayBegins  = "begins"  // its work has begun
	sayActs    = "acts"    // it takes an action; the text is the item
	sayEarlier = "earlier" // that action was done already
	sayEvent   = "event"   // of the lease; the text is its kind
)

// runIfTrigger runs the trigger if this process is one, and then exits.
func runIfTrigger() {
	name := os.Getenv(ruleEnv)
	if name == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent has gone, or wants it to end
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	if err := serve(ctx, name, os.Getenv(machineEnv)); err != nil && ctx.Err() == nil {
		exit(fmt.Errorf("%s on %s: %w", name, os.Getenv(machineEnv), err))
	}
	os.Exit(0) //nolint:revive // in place of main
}

// serve runs a rule while this process holds the lease of its name, until ctx ends.
func serve(ctx context.Context, name, machine string) error {
	ttl, err := time.ParseDuration(os.Getenv(ttlEnv))
	if err != nil {
		return err
	}
	var endpoints cli.Endpoints
	if err := endpoints.Set(os.Getenv(endpointsEnv)); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	conn, err := cantonlb.NewClient(cantonlb.Config{Role: cantonlb.ParticipantLedger, Endpoints: endpoints, Logger: quiet})
	if err != nil {
		return err
	}
	defer conn.Close()
	database := os.Getenv(databaseEnv)
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := pglease.New(pglease.Config{Pool: pool, Listen: database})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(word string, token uint64, text string) {
		mu.Lock()
		defer mu.Unlock()
		// One write, which is whole or not at all if the process is killed.
		_, _ = fmt.Printf("%s %d %d %s\n", word, token, int64(lease.System()), text)
	}
	work := &rule{
		name: name, machine: machine, conn: conn,
		acts:    func(item string, l lease.Lease) { say(sayActs, l.Token, item) },
		earlier: func(item string, l lease.Lease) { say(sayEarlier, l.Token, item) },
	}
	return lease.Run(ctx, lease.Config{
		Store: store, Name: name, Holder: machine, TTL: ttl, Logger: quiet,
		Observe: func(e lease.Event) { say(sayEvent, e.Token, string(e.Kind)) },
	}, func(ctx context.Context, l lease.Lease) error {
		say(sayBegins, l.Token, "")
		err := work.run(ctx, l)
		if errors.Is(err, errInvalid) {
			<-ctx.Done() // which is about to end, too
		}
		return err
	})
}

// process is the process of one rule on a machine.
type process struct {
	*child.Process

	rule, machine string
	diary         *diary
}

// start starts the process, and returns when it knows who holds the lease.
func (m *machine) start(ctx context.Context, rule string) error {
	p := &process{rule: rule, machine: m.name, diary: m.diary}
	mark := m.diary.mark()
	var err error
	p.Process, err = child.Start(append(m.environment, ruleEnv+"="+rule), func(line string) { m.diary.take(p, line) })
	if err != nil {
		return err
	}
	m.processes[rule] = p
	return m.diary.await(ctx, fmt.Sprintf("%s on %s to watch the lease", rule, m.name), p.Ended(), func(list []entry) bool {
		for _, e := range list[mark:] {
			if e.who == p && (e.word == sayBegins || e.word == sayEvent && e.text == string(lease.EventHolder)) {
				return true
			}
		}
		return false
	})
}
