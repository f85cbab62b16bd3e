// Package oteltrace records in OpenTelemetry's traces which endpoint an attempt of a
// call went to, and that a call was rescued.
//
// # Why
//
// A trace of a slow or failed call should show which endpoints it went to. The
// instrumentation of gRPC knows the method and the outcome, but only the policy knows
// which endpoint was picked. This package adds that to the existing span, and makes no
// spans of its own:
//
//	client, err := cantonlb.NewClient(cantonlb.Config{
//		Endpoints: endpoints,
//		OnAttempt: oteltrace.OnAttempt, OnAttemptInline: true,
//	})
//
// With a stats handler (otelgrpc's, or grpc's own stats/opentelemetry) that is the span
// of the attempt; otherwise it is the span in the context of the call. A span that is
// not recorded costs almost nothing.
//
// It links the API of OpenTelemetry and not its SDK.
//
// # Defaults
//
// Names follow OpenTelemetry's semantic conventions where these define one. The
// attributes of the span are rpc.system.name, rpc.method, server.address, server.port,
// cantonlb.endpoint and cantonlb.attempt (the number of the attempt, from 1). A span with
// several attempts has those of the newest. A hedge also has cantonlb.hedge. The events are cantonlb.attempt for each
// further attempt, cantonlb.attempt.failed with the rpc.response.status_code, and
// cantonlb.rescue, all with the endpoint.
package oteltrace
