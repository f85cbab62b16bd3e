// Command sequencer is a participant-side client of Canton sequencers, which are
// all active: its calls go in turn to the healthy ones.
//
//	go run ./examples/sequencer -endpoints "seq1=https://seq1.example.com:5001,seq2=https://seq2.example.com:5001"
//
// Without -endpoints it starts three servers, which report their health as
// sequencers do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/view"
)

func main() { os.Exit(cli.Main(run)) }

// settings holds the flags.
type settings struct {
	endpoints         cli.Endpoints
	security          cli.Security
	serviceName       string
	timeout, interval time.Duration
	once              bool
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("sequencer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Var(&s.endpoints, "endpoints", "the sequencers' public APIs, as a `list` name=address,name=address "+
		"(default: a demo cluster of three)")
	flags.StringVar(&s.serviceName, "service-name", "", "health `service` to check (default: the one that sequencers have)")
	flags.DurationVar(&s.timeout, "timeout", 5*time.Second, "how long to wait for the first healthy sequencer, and for each call")
	flags.DurationVar(&s.interval, "interval", time.Second, "time from one call to the next")
	flags.BoolVar(&s.once, "once", false, "make one call, show the status and exit")
	s.security.AddTo(flags)
	if err := cli.Parse(flags, args); err != nil {
		return s, err
	}
	switch {
	case s.timeout <= 0:
		return s, fmt.Errorf("-timeout %v: want a duration above zero", s.timeout)
	case s.interval <= 0:
		return s, fmt.Errorf("-interval %v: want a duration above zero", s.interval)
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if len(s.endpoints) == 0 {
		logger.Info("no -endpoints: starting a demo cluster")
		var stop func()
		if s.endpoints, stop, err = startDemo(ctx); err != nil {
			return err
		}
		defer stop()
	}
	opts, err := s.security.DialOptions()
	if err != nil {
		return err
	}

	client, err := cantonlb.NewClient(cantonlb.Config{
		Role:        cantonlb.Sequencer,
		Endpoints:   s.endpoints,
		HealthCheck: healthcheck.Config{Service: s.serviceName},
	}, opts...)
	if err != nil {
		return err
	}
	defer client.Close()

	if err := waitHealthy(ctx, client, s.timeout); err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		fmt.Print(view.Text(client.Status(), time.Now(), nil))
		return err
	}
	if s.once {
		err := call(ctx, client, s, logger)
		fmt.Print(view.Text(client.Status(), time.Now(), nil))
		return err
	}
	watch(ctx, client, s, logger)
	return nil
}

func waitHealthy(ctx context.Context, client *cantonlb.Client, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return client.WaitHealthy(ctx, 1)
}

// watch makes a call every interval, and shows the status whenever it has changed,
// until Ctrl-C.
func watch(ctx context.Context, client *cantonlb.Client, s settings, logger *slog.Logger) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	var shown []cli.Change
	for {
		if err := call(ctx, client, s, logger); err != nil && ctx.Err() == nil {
			report(logger, err)
		}
		status := client.Status()
		if changes := cli.Changes(status); !slices.Equal(changes, shown) {
			shown = changes
			fmt.Print(view.Text(status, time.Now(), nil))
		}
		select {
		case <-ctx.Done():
			logger.Info("stopping")
			return
		case <-ticker.C:
		}
	}
}

// call makes one harmless call. Replace the health service's stub by your generated
// stubs: they take the client as they take a *grpc.ClientConn.
//
//	stub := v30.NewSequencerServiceClient(client)
func call(ctx context.Context, client *cantonlb.Client, s settings, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()

	stub := healthpb.NewHealthClient(client)
	var server peer.Peer
	start := time.Now()
	reply, err := stub.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Peer(&server))
	if err != nil {
		return err
	}
	by, _ := cantonlb.EndpointOf(&server)
	logger.Info("answered", "by", by, "says", reply.GetStatus(), "took", time.Since(start))
	return nil
}

// report logs why a call failed. If no sequencer was eligible, the call was never
// sent, and each sequencer has a reason.
func report(logger *slog.Logger, err error) {
	var none *cantonlb.NoEligibleError
	if !errors.As(err, &none) {
		logger.Error("call failed", "error", err)
		return
	}
	for _, e := range none.Endpoints {
		logger.Error("not eligible", "endpoint", e.Name, "state", e.State, "reason", e.Reason, "detail", e.Detail)
	}
}
