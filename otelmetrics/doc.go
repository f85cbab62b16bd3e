// Package otelmetrics exports the metrics of clients and leases to OpenTelemetry.
//
// # Why
//
// A program that has grpc's own OpenTelemetry plugin (stats/opentelemetry) does not need
// this package: the policies record their metrics with the plugin, as grpc's do. But
// many programs have other instrumentation, or need metrics of the endpoints and none of
// each call. Series that were exported by grpc's recorder also stay for ever, while this
// package drops all series of an endpoint that leaves the list.
//
//	stop, err := otelmetrics.Observe(client)
//	if err != nil {
//		return err
//	}
//	defer stop()
//
// The package reads the client's Status once at each collection and does nothing between
// collections, so calls do not become more expensive. It links the API of OpenTelemetry
// and not its SDK. The SDK's exporter serves Prometheus; see the example observability.
//
// The metrics are those of docs/metrics.md, with the same names, units and labels as
// those of grpc's recorder, so that one dashboard fits both. Use only one of the two for
// a client, or everything is counted twice. The label grpc.target distinguishes clients,
// so each needs its own name (cantonlb.Config.Name): Observe returns an error for a second
// one with the same name.
//
// ObserveLeases does the same for the leases of package lease, which need no client.
//
// # Defaults
//
// The global MeterProvider is used, and there are no attributes besides the labels.
package otelmetrics
