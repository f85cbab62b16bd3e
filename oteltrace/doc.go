// Package oteltrace writes into OpenTelemetry's traces which endpoint an attempt
// of a call went to, and that a call was rescued.
//
// # Why
//
// A trace of a slow or failed call should say where it went, and whether it went
// to several places. The instrumentation of gRPC knows the method and the outcome;
// which endpoint was picked, only the policy knows. So this package adds that to
// the span that is there already, and makes no spans of its own:
//
//	client, err := cantonlb.NewClient(cantonlb.Config{
//		Endpoints: endpoints,
//		OnAttempt: oteltrace.OnAttempt,
//	})
//
// With a stats handler (otelgrpc's, or grpc's own stats/opentelemetry) that is the
// span of the attempt; otherwise the span in the context with which the call was
// made. A span that is not recorded costs next to nothing.
//
// It links the API of OpenTelemetry and not its SDK.
//
// # Defaults
//
// Names follow OpenTelemetry's semantic conventions where these have one. As
// attributes of the span: rpc.system.name, rpc.method, server.address, server.port,
// cantonlb.endpoint and cantonlb.attempt (its number, from 1); of a span that sees
// several attempts, they are those of the newest. As events: cantonlb.attempt for
// each further attempt, cantonlb.attempt.failed with the rpc.response.status_code,
// and cantonlb.rescue, all with the endpoint.
package oteltrace
