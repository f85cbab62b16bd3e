// Command ledger-consumer shows how a program consumes the updates of a participant
// with package ledger. It stores the offset of each update in the same transaction
// as its work, so that each update counts exactly once, whatever stops the program
// or the participant.
//
//	go run ./examples/ledger-consumer                   # starts two replicas, for a demonstration
//	go run ./examples/ledger-consumer -endpoints "p1=https://p1.example.com:5001,p2=https://p2.example.com:5001" \
//		-database "host=db.example.com user=me dbname=mine"
//
// Without -endpoints it starts PostgreSQL and two replicas of a participant,
// submits commands, and runs the consumer as a process. It repeatedly kills
// (SIGKILL) the consumer and the active replica. At the end it compares the
// consumer's counts with the ledger.
//
// The part that your program would contain is consumer.go.
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

	"github.com/jackc/pgx/v5"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
	"github.com/cantonlb/cantonlb/ledger"
)

func main() {
	participant.RunIfReplica()
	runIfConsumer()
	var endpoints cli.Endpoints
	flag.Var(&endpoints, "endpoints", "the replicas of a participant, name=address,...; without them, a demonstration")
	database := flag.String("database", "", "the PostgreSQL database of the consumer, as pgx has it; with -endpoints")
	duration := flag.Duration("duration", 15*time.Second, "of the demonstration, at least 5s")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		exit(fmt.Errorf("argument %q: want flags only", flag.Arg(0)))
	case (len(endpoints) == 0) != (*database == ""):
		exit(errors.New("want -endpoints and -database together, or none of them"))
	case *duration < 5*time.Second:
		exit(fmt.Errorf("-duration %v: want at least 5s", *duration))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(endpoints) > 0 {
		err = serve(ctx, endpoints, *database)
	} else {
		err = demonstrate(ctx, *duration)
	}
	interrupted := ctx.Err() != nil
	stop()
	if err != nil && !interrupted {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "ledger-consumer:", err)
	os.Exit(1) //nolint:revive // called by main alone
}

// serve runs the consumer until ctx ends.
func serve(ctx context.Context, endpoints []cantonlb.Endpoint, address string) error {
	client, err := cantonlb.NewClient(cantonlb.Config{Role: cantonlb.ParticipantLedger, Endpoints: endpoints})
	if err != nil {
		return err
	}
	defer client.Close()
	database, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = database.Close(context.WithoutCancel(ctx)) }()
	return consume(ctx, client, database, new(ledger.Monitor))
}
