package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/bench/stats"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/otelmetrics"
	"github.com/cantonlb/cantonlb/oteltrace"
)

var (
	metricThroughput = metric{name: "calls a second", unit: count}
	metricCallCPU    = metric{name: "processor time per call", unit: seconds}
)

const (
	overheadServers = 3
	overheadCallers = 8
	// pairsPerRep is how many pairs of slices one repetition is.
	pairsPerRep = 12
	// collectEvery is how often the metrics are read, far more often than by
	// Prometheus.
	collectEvery    = time.Second
	overheadEnough  = 0.95 // the confidence of the interval
	overheadTracing = "in a span"
)

// overhead measures the cost of full observability: a JSON log at debug level,
// metrics that are read every second, a subscriber of the events, and the attempts
// in the spans of the calls. Two clients of the same servers, one with all of that
// and one with none, make calls alternately, in short slices. Each pair of slices
// yields one ratio, so that other load of the machine affects both, and the order
// within a pair is random. The ratio's median is reported with an interval that
// holds for any distribution. The processor time, including that of the servers,
// depends less on other load of the machine.
//
// In the second part each call of both clients is made in a recorded span, so that
// the cost of the span itself does not count, but the cost of what this library
// writes into it does.
func (b *bench) overhead(ctx context.Context) (err error) {
	servers, err := startEchoServers(ctx, overheadServers)
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	if err != nil {
		return err
	}
	var endpoints []cantonlb.Endpoint
	for i, s := range servers {
		endpoints = append(endpoints, cantonlb.Endpoint{Name: fmt.Sprintf("server%d", i), Address: "http://" + s.address})
	}
	off, err := openUnseen(ctx, endpoints)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, off.close()) }()
	on, err := openSeen(ctx, endpoints)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.close()) }()

	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(dropSpans{}))
	tracer := traces.Tracer("bench")
	for _, part := range []struct {
		id, title string
		tracer    trace.Tracer
	}{
		{"overhead", "everything on beside everything off (larger is better, in the ratios too)", nil},
		{"overhead " + overheadTracing, "the same, each call of both in a recorded span", tracer},
	} {
		s := section{
			id: part.id, title: part.title, policies: []policy{{label: on.label}, {label: off.label}}, baselines: []string{off.label},
		}
		b.results.sections = append(b.results.sections, s)
		if err := b.pairs(ctx, s, []*subject{on, off}, part.tracer); err != nil {
			return err
		}
	}
	return errors.Join(traces.Shutdown(ctx))
}

// pairs measures the subjects alternately.
func (b *bench) pairs(ctx context.Context, s section, subjects []*subject, tracer trace.Tracer) error {
	at := point{section: s.id, n: overheadServers}
	for pair := range b.reps * pairsPerRep {
		if pair%pairsPerRep == 0 {
			sayf(b.log, "%s: repetition %d of %d\n", s.id, pair/pairsPerRep+1, b.reps)
		}
		b.rng.Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] })
		for _, x := range subjects {
			values, err := x.slice(ctx, b.pickFor, tracer)
			if err != nil {
				return err
			}
			at.policy = x.label
			b.results.addAll(at, pair, values)
		}
	}
	at.policy = s.policies[0].label
	for _, m := range []metric{metricThroughput, metricCallCPU} {
		at.metric = m
		low, high, ok := stats.MedianInterval(b.results.ratios(at, s.baselines[0]), overheadEnough)
		if !ok {
			return fmt.Errorf("%s: too few pairs for an interval", s.id)
		}
		b.results.addAll(at, 0, []value{
			{metric{name: m.name + ": ratio, 95 % interval from", unit: count, plain: true}, low},
			{metric{name: m.name + ": ratio, 95 % interval to", unit: count, plain: true}, high},
		})
	}
	return nil
}

// subject is one client that is measured.
type subject struct {
	label  string
	client *cantonlb.Client
	close  func() error
}

func openUnseen(ctx context.Context, endpoints []cantonlb.Endpoint) (*subject, error) {
	return open(ctx, "everything off", cantonlb.Config{
		Name: "off", Endpoints: endpoints, Logger: slog.New(slog.DiscardHandler),
	})
}

func openSeen(ctx context.Context, endpoints []cantonlb.Endpoint) (*subject, error) {
	x, err := open(ctx, "everything on", cantonlb.Config{
		Name: "on", Endpoints: endpoints, OnAttempt: oteltrace.OnAttempt, OnAttemptInline: true,
		//nolint:sloglint // what the handler costs is to be measured
		Logger: slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		return nil, err
	}
	reader := sdk.NewManualReader()
	meters := sdk.NewMeterProvider(sdk.WithReader(reader))
	stop, err := otelmetrics.Observe(x.client, otelmetrics.WithMeterProvider(meters))
	if err != nil {
		return nil, errors.Join(err, x.client.Close())
	}
	watching, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range x.client.Subscribe(watching) { // only follow them
		}
	})
	wg.Go(func() {
		for sleep.Context(watching, collectEvery) == nil {
			_ = reader.Collect(watching, new(metricdata.ResourceMetrics)) // an error ends with the next
		}
	})
	x.close = func() error {
		cancel()
		wg.Wait()
		return errors.Join(stop(), x.client.Close())
	}
	return x, nil
}

func open(ctx context.Context, label string, cfg cantonlb.Config) (*subject, error) {
	// If the machine is too busy for the servers, calls wait and do not fail.
	cfg.NoneEligible, cfg.DeadAfter = cantonlb.Wait, time.Minute
	client, err := cantonlb.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := client.WaitHealthy(ready, len(cfg.Endpoints)); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &subject{label: label, client: client, close: client.Close}, nil
}

// slice makes calls for d, and returns their number and their cost. tracer is nil
// for calls without spans.
func (x *subject) slice(ctx context.Context, d time.Duration, tracer trace.Tracer) ([]value, error) {
	var (
		stop   atomic.Bool
		calls  atomic.Int64
		failed atomic.Value // an error
		wg     sync.WaitGroup
	)
	start, cpu := time.Now(), cpuTime()
	for range overheadCallers {
		wg.Go(func() {
			answer, mine := new(emptypb.Empty), int64(0)
			for !stop.Load() {
				if err := x.call(ctx, tracer, answer); err != nil {
					failed.Store(err)
					return
				}
				mine++
			}
			calls.Add(mine)
		})
	}
	err := sleep.Context(ctx, d)
	stop.Store(true)
	wg.Wait()
	took, busy := time.Since(start), cpuTime()-cpu
	if failure, ok := failed.Load().(error); ok {
		return nil, fmt.Errorf("%s: a call failed: %w", x.label, failure)
	}
	n := float64(max(calls.Load(), 1))
	return []value{{metricThroughput, n / took.Seconds()}, {metricCallCPU, busy.Seconds() / n}}, err
}

func (x *subject) call(ctx context.Context, tracer trace.Tracer, answer *emptypb.Empty) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if tracer != nil {
		var span trace.Span
		ctx, span = tracer.Start(ctx, "call")
		defer span.End()
	}
	return x.client.Invoke(ctx, callMethod, new(emptypb.Empty), answer)
}

// dropSpans is an exporter that drops all spans.
type dropSpans struct{}

func (dropSpans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (dropSpans) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (dropSpans) Shutdown(context.Context) error                  { return nil }
func (dropSpans) ForceFlush(context.Context) error                { return nil }
