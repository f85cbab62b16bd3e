package oteltrace

import (
	"context"
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/cantonlb/cantonlb"
)

// The attributes for which there is no semantic convention.
const (
	// EndpointKey is the name of the endpoint, a string.
	EndpointKey = attribute.Key("cantonlb.endpoint")
	// AttemptKey is the number of the attempt within the call, an int from 1.
	AttemptKey = attribute.Key("cantonlb.attempt")
	// HedgeKey says that the attempt is a hedge, a bool. It is absent for others.
	HedgeKey = attribute.Key("cantonlb.hedge")
)

// Attributes of the semantic conventions, version 1.43.0. They are copied here because
// the package that defines them would raise the version of OpenTelemetry in a program
// that imports this one.
const (
	rpcSystemName         = attribute.Key("rpc.system.name")
	rpcMethod             = attribute.Key("rpc.method")
	rpcResponseStatusCode = attribute.Key("rpc.response.status_code")
	serverAddress         = attribute.Key("server.address")
	serverPort            = attribute.Key("server.port")
)

// The names of the events.
const (
	// EventAttempt means that an endpoint was picked for a further attempt. The first
	// attempt appears only in the attributes.
	EventAttempt = "cantonlb.attempt"
	// EventAttemptFailed means that the attempt ended with an error.
	EventAttemptFailed = "cantonlb.attempt.failed"
	// EventRescue means that the call was canceled on an endpoint that became
	// unhealthy, and is reissued on another.
	EventRescue = "cantonlb.rescue"
)

// OnAttempt adds an attempt to the span in ctx, if the span is recorded. It is a
// cantonlb.Config.OnAttempt, and is safe for concurrent use.
func OnAttempt(ctx context.Context, e cantonlb.AttemptEvent) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	switch e.Kind {
	case cantonlb.AttemptStarted:
		attributes := where(e)
		if e.Number > 1 {
			span.AddEvent(EventAttempt, trace.WithAttributes(attributes...))
		}
		span.SetAttributes(append(attributes, rpcSystemName.String("grpc"), rpcMethod.String(strings.TrimPrefix(e.Method, "/")))...)
	case cantonlb.AttemptEnded:
		if e.Code != codes.OK {
			attributes := append(where(e), rpcResponseStatusCode.String(code.Code(e.Code).String()))
			span.AddEvent(EventAttemptFailed, trace.WithAttributes(attributes...))
		}
	case cantonlb.CallRescued:
		span.AddEvent(EventRescue, trace.WithAttributes(where(e)...))
	}
}

// mostAttributes is the greatest number of attributes of an attempt.
const mostAttributes = 7

// where returns the attributes of an attempt: its number, its endpoint and the address.
func where(e cantonlb.AttemptEvent) []attribute.KeyValue {
	attributes := make([]attribute.KeyValue, 0, mostAttributes)
	attributes = append(attributes, EndpointKey.String(e.Endpoint), AttemptKey.Int(e.Number))
	if e.Hedge {
		attributes = append(attributes, HedgeKey.Bool(true))
	}
	if path, ok := strings.CutPrefix(e.Address, "unix:"); ok {
		return append(attributes, serverAddress.String(strings.TrimPrefix(path, "//")))
	}
	host, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		return append(attributes, serverAddress.String(e.Address))
	}
	attributes = append(attributes, serverAddress.String(host))
	if n, err := strconv.Atoi(port); err == nil {
		attributes = append(attributes, serverPort.Int(n))
	}
	return attributes
}
