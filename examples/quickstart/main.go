// Command quickstart shows what cantonlb is for. It starts three gRPC servers,
// calls them all the time, and meanwhile marks one as not serving, stops one and
// kills one. No call fails.
//
//	go run ./examples/quickstart
//
// The part that your program would contain is connect, below; the rest manages the
// servers and counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	pb "github.com/cantonlb/cantonlb/examples/internal/recordpb"
)

// serviceConfig says that calls of Records may be retried on another server, since
// they only read. The proto says so too, by its idempotency_level, and so cantonlb
// reissues a call whose server hangs. Without either, a call in flight on a server
// that dies fails, because only the application knows whether it is safe to repeat
// it.
const serviceConfig = `{
	"methodConfig": [{
		"name": [{"service": "cantonlb.examples.record.v1.Records"}],
		"retryPolicy": {
			"maxAttempts": 4,
			"initialBackoff": "0.01s",
			"maxBackoff": "0.1s",
			"backoffMultiplier": 2,
			"retryableStatusCodes": ["UNAVAILABLE"]
		}
	}]
}`

// connect returns the client. The list of endpoints is the only required setting.
func connect(endpoints []cantonlb.Endpoint, counter *attempts) (*cantonlb.Client, error) {
	return cantonlb.NewClient(cantonlb.Config{
		Endpoints:     endpoints, // http://: plaintext; https:// would be TLS
		ServiceConfig: serviceConfig,
		Logger:        slog.New(slog.DiscardHandler), // the screen shows the changes
	}, grpc.WithStatsHandler(counter))
}

func main() {
	if name := os.Getenv(serverNameEnv); name != "" { // this process is one of the servers
		if err := serve(name, os.Getenv(serverAddrEnv)); err != nil {
			exit(fmt.Errorf("server %s: %w", name, err))
		}
		return
	}
	duration := flag.Duration("duration", 12*time.Second, "how long to make calls, at least; the script is spread over it")
	rate := flag.Int("rate", 300, "calls per second, 1 to 10000")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		exit(fmt.Errorf("argument %q: want flags only", flag.Arg(0)))
	case *duration <= 0:
		exit(fmt.Errorf("-duration %v: want a duration above zero", *duration))
	case *rate < 1 || *rate > 10_000:
		exit(fmt.Errorf("-rate %d: want 1 to 10000", *rate))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *duration, *rate)
	stopped := ctx.Err() != nil && errors.Is(err, context.Canceled) // before there was anything to report
	stop()
	if err != nil && !stopped {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "quickstart:", err)
	os.Exit(1) //nolint:revive // called by main alone
}

func run(ctx context.Context, duration time.Duration, rate int) error {
	servers, err := startCluster(ctx, "seq1", "seq2", "seq3")
	if err != nil {
		return err
	}
	defer servers.close()
	endpoints := make([]cantonlb.Endpoint, 0, len(servers))
	for _, s := range servers {
		endpoints = append(endpoints, cantonlb.Endpoint{Name: s.name, Address: "http://" + s.addr})
	}

	counter := new(attempts)
	client, err := connect(endpoints, counter)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := waitHealthy(ctx, client, len(servers)); err != nil {
		return err
	}

	began := time.Now()
	out, counts := newScreen(), newTally(began, "all three serve")
	out.linef("%6.2fs  all three serve", 0.0)
	scriptErr := perform(ctx, servers, client, load{pb.NewRecordsClient(client), counts, rate}, duration, out)

	err = client.Close()
	servers.close()
	report(counts, servers, counter)
	if _, failed := counts.totals(); failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d calls failed", failed))
	}
	if ctx.Err() != nil {
		return err // after Ctrl-C the script's error says only that
	}
	return errors.Join(err, scriptErr)
}

// waitHealthy waits until all servers are eligible, so that the first phase begins
// with all three.
func waitHealthy(ctx context.Context, client *cantonlb.Client, n int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return client.WaitHealthy(ctx, n)
}

// perform makes the calls and runs the script meanwhile. Its error is the script's;
// a script that fails ends the calls.
func perform(ctx context.Context, servers cluster, client *cantonlb.Client, l load, duration time.Duration, out *screen) error {
	showing, hide := context.WithCancel(ctx)
	calling, hangUp := context.WithCancel(ctx)
	defer hangUp()

	var scriptErr error
	played := make(chan struct{})
	var background sync.WaitGroup
	background.Go(func() {
		defer close(played)
		pause := duration / time.Duration(len(script)+1)
		if scriptErr = play(ctx, servers, client, l.tally.began, pause, l.tally.enter, out); scriptErr != nil {
			hangUp()
		}
	})
	background.Go(func() {
		out.show(showing, func() string { return liveLine(l.tally, servers, client) })
	})
	l.run(calling, l.tally.began, duration, played)
	hide()
	background.Wait()
	return scriptErr
}

// liveLine returns the counts so far, and how many servers may be picked.
func liveLine(t *tally, servers cluster, client *cantonlb.Client) string {
	var b strings.Builder
	ok, failed := t.totals()
	fmt.Fprintf(&b, "%6.2fs  calls: %d ok, %d failed;", time.Since(t.began).Seconds(), ok, failed)
	for _, s := range servers {
		fmt.Fprintf(&b, "  %s %d", s.name, t.by(s.name))
	}
	status := client.Status()
	fmt.Fprintf(&b, "  (%d of %d eligible)", status.Eligible(), len(status.Endpoints))
	return b.String()
}
