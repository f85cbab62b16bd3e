package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/otelmetrics"
)

// telemetry is the program's OpenTelemetry setup. Most programs already have one,
// except for the one line that adds the client.
type telemetry struct {
	metrics http.Handler // for Prometheus
	tracer  trace.Tracer
	stop    func() error
}

func newTelemetry(ctx context.Context, client *cantonlb.Client, logger *slog.Logger) (*telemetry, error) {
	registry := promclient.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(registry))
	if err != nil {
		return nil, err
	}
	meters := metric.NewMeterProvider(metric.WithReader(exporter))
	stop, err := otelmetrics.Observe(client, otelmetrics.WithMeterProvider(meters))
	if err != nil {
		return nil, err
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spanLog{logger}))
	return &telemetry{
		metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		tracer:  traces.Tracer("observability"),
		stop: func() error {
			ctx := context.WithoutCancel(ctx) // the program's context has ended
			return errors.Join(stop(), meters.Shutdown(ctx), traces.Shutdown(ctx))
		},
	}, nil
}

// spanLog is an exporter that writes spans to the log. A program would send them
// to a collector.
type spanLog struct{ logger *slog.Logger }

// ExportSpans writes one line for each span.
func (l spanLog) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		attrs := []slog.Attr{slog.String("name", s.Name()), slog.Duration("took", s.EndTime().Sub(s.StartTime()))}
		for _, kv := range s.Attributes() {
			attrs = append(attrs, slog.Any(string(kv.Key), kv.Value.AsInterface()))
		}
		for _, e := range s.Events() {
			attrs = append(attrs, slog.String("event", e.Name))
		}
		l.logger.LogAttrs(ctx, slog.LevelInfo, "span", attrs...)
	}
	return nil
}

// Shutdown does nothing.
func (spanLog) Shutdown(context.Context) error { return nil }
