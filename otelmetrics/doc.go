// Package otelmetrics gives a client's metrics to OpenTelemetry.
//
// # Why
//
// A program that has grpc's own OpenTelemetry plugin (stats/opentelemetry) needs
// nothing from here: the policies record their metrics with it, as grpc's do. But
// many programs have other instrumentation, or want to know nothing of each call
// and all of the endpoints. And what has gone out by grpc's recorder stays for
// ever, while here an endpoint that leaves the list takes all its series with it.
//
//	stop, err := otelmetrics.Observe(client)
//	if err != nil {
//		return err
//	}
//	defer stop()
//
// It only looks: at each collection it reads the client's Status, once, and
// between two it does nothing, so that calls cost what they cost without. It
// links the API of OpenTelemetry and not its SDK. Prometheus is served by the
// SDK's exporter; see the example observability.
//
// The metrics are those of docs/metrics.md, with the same names, units and labels
// as by grpc's recorder, so that one dashboard fits both. Use one of the two for a
// client, or everything is counted twice. Two clients are told apart by the label
// grpc.target, so give each a name (cantonlb.Config.Name).
//
// # Defaults
//
// The global MeterProvider; no attributes besides the labels.
package otelmetrics
