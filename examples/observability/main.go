// Command observability is a client that serves its state to Prometheus and as a
// page, logs in JSON, and traces each call.
//
//	go run ./examples/observability
//	curl http://127.0.0.1:9464/metrics
//	xdg-open http://127.0.0.1:9464/
//
// Without -endpoints it starts three servers. One of them reports from time to time
// that it does not serve, so that there is something to see.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel/trace"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/oteltrace"
	"github.com/cantonlb/cantonlb/statuspage"
)

func main() { os.Exit(cli.Main(run)) }

// settings holds the flags.
type settings struct {
	endpoints      cli.Endpoints
	security       cli.Security
	listen         string
	interval, flip time.Duration
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("observability", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Var(&s.endpoints, "endpoints", "the sequencers' public APIs, as a `list` name=address,name=address "+
		"(default: a demo cluster of three)")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:9464", "where to serve the metrics and the page; everyone with access can read them")
	flags.DurationVar(&s.interval, "interval", time.Second, "time from one call to the next")
	flags.DurationVar(&s.flip, "flip", 10*time.Second, "how long a demo server serves, and then does not")
	s.security.AddTo(flags)
	if err := cli.Parse(flags, args); err != nil {
		return s, err
	}
	switch {
	case s.interval <= 0:
		return s, fmt.Errorf("-interval %v: want a duration above zero", s.interval)
	case s.flip <= 0:
		return s, fmt.Errorf("-flip %v: want a duration above zero", s.flip)
	}
	return s, nil
}

func run(ctx context.Context, args []string) (err error) {
	s, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if len(s.endpoints) == 0 {
		demo, err := startDemo(ctx, s.flip)
		if err != nil {
			return err
		}
		defer demo.stop()
		s.endpoints = demo.endpoints
	}
	opts, err := s.security.DialOptions()
	if err != nil {
		return err
	}

	// The log receives each transition, and the span of each call has the endpoint.
	client, err := cantonlb.NewClient(cantonlb.Config{
		Name:      "observed",
		Role:      cantonlb.Sequencer,
		Endpoints: s.endpoints,
		Logger:    logger,
		OnAttempt: oteltrace.OnAttempt, OnAttemptInline: true,
	}, opts...)
	if err != nil {
		return err
	}
	defer client.Close()

	// Prometheus and the traces.
	t, err := newTelemetry(ctx, client, logger)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, t.stop()) }()

	// The program itself decides what it serves, and to whom.
	pages := http.NewServeMux()
	pages.Handle("GET /metrics", t.metrics)
	page := statuspage.Handler(client, statuspage.WithTitle("Sequencers"))
	defer page.Close()
	pages.Handle("GET /{$}", page)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: pages, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	server.RegisterOnShutdown(page.Close) // live viewers keep their connections busy
	fmt.Printf("metrics: http://%s/metrics\n", listener.Addr())
	fmt.Printf("page: http://%s/\n", listener.Addr())

	call(ctx, client, s, t.tracer, logger)
	err = server.Shutdown(context.WithoutCancel(ctx))
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = cmp.Or(err, failed)
	}
	return err
}

// call makes a call every interval, each in a span, until Ctrl-C.
func call(ctx context.Context, client *cantonlb.Client, s settings, tracer trace.Tracer, logger *slog.Logger) {
	stub := healthpb.NewHealthClient(client) // your generated stubs go here
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		spanned, span := tracer.Start(ctx, "ask")
		if _, err := stub.Check(spanned, &healthpb.HealthCheckRequest{}); err != nil && ctx.Err() == nil {
			logger.Error("call failed", "error", err)
		}
		span.End()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
