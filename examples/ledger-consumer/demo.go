package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"
	"github.com/jackc/pgx/v5"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/child"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
	"github.com/cantonlb/cantonlb/ledger"
)

// The environment of the consumer's process: the endpoints, which mark the process
// as a consumer, and the database.
const (
	endpointsEnv = "CONSUMER_ENDPOINTS"
	databaseEnv  = "CONSUMER_DATABASE"
)

const (
	// commandEvery is the pause between two commands.
	commandEvery = 10 * time.Millisecond
	// consumerLives is how long the consumer lives before it is killed.
	consumerLives = 700 * time.Millisecond
)

// runIfConsumer runs the consumer if this process is one, and then exits.
func runIfConsumer() {
	text := os.Getenv(endpointsEnv)
	if text == "" {
		return
	}
	var endpoints cli.Endpoints
	if err := endpoints.Set(text); err != nil {
		exit(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent has gone, or wants it to end
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	err := serve(ctx, endpoints, os.Getenv(databaseEnv))
	if ctx.Err() == nil && !errors.Is(err, errOvertaken) { // the next process continues
		exit(err)
	}
	os.Exit(0) //nolint:revive // in place of main
}

// demonstrate runs everything in one program.
func demonstrate(ctx context.Context, lasts time.Duration) (err error) {
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
	client, err := cantonlb.NewClient(cantonlb.Config{Role: cantonlb.ParticipantLedger, Endpoints: replicas.Endpoints()})
	if err != nil {
		return err
	}
	defer client.Close()

	var items []string
	for _, e := range replicas.Endpoints() {
		items = append(items, e.Name+"="+e.Address)
	}
	database := strings.TrimPrefix(shared.Address(), participant.Postgres+":")
	environment := []string{endpointsEnv + "=" + strings.Join(items, ","), databaseEnv + "=" + database}

	submitting, stop := context.WithTimeout(ctx, lasts)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- submitAll(submitting, ctx, client) }()
	kills, takeovers, err := disturb(submitting, environment, replicas)
	if err := errors.Join(err, <-failed, ctx.Err()); err != nil {
		return err
	}
	fmt.Printf("the consumer was killed %d times, the active replica %d times\n", kills, takeovers)
	return compare(ctx, environment, database, shared)
}

// submitAll submits commands, one after the other, until submitting ends. The last
// one is completed.
func submitAll(submitting, ctx context.Context, client *cantonlb.Client) error {
	submitter := &ledger.Submitter{Node: ledger.NodeOf(client)}
	stub := v2.NewCommandServiceClient(client)
	for n := 1; ; n++ {
		one, cancel := context.WithTimeout(ctx, time.Minute)
		_, _, err := ledger.Submit(one, submitter, stub.SubmitAndWait, &v2.SubmitAndWaitRequest{Commands: &v2.Commands{
			UserId: "demo", ActAs: []string{"Alice::1220demo"}, CommandId: fmt.Sprint("command-", n), WorkflowId: fmt.Sprint(n),
		}}, ledger.SubmitOptions[*v2.SubmitAndWaitResponse]{})
		cancel()
		if err != nil {
			return err
		}
		if !cli.Wait(submitting, commandEvery) {
			return nil
		}
	}
}

// disturb repeatedly kills the consumer and restarts it. Every fifth time it kills
// the active replica, too.
func disturb(ctx context.Context, environment []string, replicas participant.Replicas) (kills, takeovers int, err error) {
	active, standby := replicas[0], replicas[1]
	for ctx.Err() == nil {
		consumer, err := child.Start(environment, func(line string) { fmt.Println("consumer:", line) })
		if err != nil {
			return kills, takeovers, err
		}
		cli.Wait(ctx, consumerLives)
		if kills%5 == 2 && ctx.Err() == nil {
			if err := errors.Join(active.Kill(), standby.Await(ctx, participant.Active)); err != nil && ctx.Err() == nil {
				consumer.Close()
				return kills, takeovers, err
			}
			<-active.Ended()
			if err := active.Start(); err != nil {
				consumer.Close()
				return kills, takeovers, err
			}
			active, standby = standby, active
			takeovers++
			cli.Wait(ctx, consumerLives)
		}
		select {
		case <-consumer.Ended():
			if state := consumer.State(); !state.Success() {
				return kills, takeovers, fmt.Errorf("the consumer has ended: %v", state)
			}
		default:
			if err := consumer.Kill(); err != nil {
				return kills, takeovers, err
			}
			<-consumer.Ended()
			kills++
		}
		consumer.Close()
	}
	return kills, takeovers, nil
}

// compare lets the consumer catch up with the ledger, and compares its counts with
// it.
func compare(ctx context.Context, environment []string, address string, shared participant.Store) error {
	all, err := shared.All(ctx)
	if err != nil {
		return err
	}
	var total int64
	for _, u := range all {
		total += u.Offset
	}
	consumer, err := child.Start(environment, func(line string) { fmt.Println("consumer:", line) })
	if err != nil {
		return err
	}
	defer consumer.Close()
	database, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = database.Close(context.WithoutCancel(ctx)) }()
	waiting, cancel := context.WithTimeout(ctx, participant.StepLimit)
	defer cancel()
	for {
		var offset string
		var updates, sum int64
		err := database.QueryRow(ctx, `SELECT "offset", updates, total FROM progress`).Scan(&offset, &updates, &sum)
		if err != nil {
			return err
		}
		if offset == fmt.Sprint(len(all)) || !cli.Wait(waiting, 20*time.Millisecond) {
			fmt.Printf("updates in the ledger: %d, counted: %d; sum of their offsets: %d, counted: %d\n", len(all), updates, total, sum)
			if int(updates) != len(all) || sum != total {
				return errors.New("an update was left out, or counted twice")
			}
			return nil
		}
	}
}
