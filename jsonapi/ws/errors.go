package ws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cantonlb/cantonlb/jsonapi"
)

// nodeError is an error as the JSON API writes it.
type nodeError struct {
	Code           *string           `json:"code"`
	Cause          *string           `json:"cause"`
	CorrelationID  string            `json:"correlationId"`
	Context        map[string]string `json:"context"`
	ErrorCategory  *int              `json:"errorCategory"`
	GRPCCode       *int              `json:"grpcCodeValue"`
	RetryInfo      string            `json:"retryInfo"`
	DefiniteAnswer *bool             `json:"definiteAnswer"`
}

// maxText bounds what is read of a refusal, in bytes.
const maxText = 1 << 10

// errorIn returns the error that a message is, nil if it is none.
func errorIn(message []byte) error {
	if !bytes.Contains(message, []byte(`"cause"`)) {
		return nil
	}
	if e, ok := readError(message); ok {
		return e.status(codes.Unknown)
	}
	return nil
}

// readError reads an error. It reports whether the text is one.
func readError(text []byte) (e nodeError, ok bool) {
	err := json.Unmarshal(text, &e)
	return e, err == nil && e.Code != nil && e.Cause != nil && e.ErrorCategory != nil
}

// status returns the error as gRPC has it, so that package cantonerr reads it.
func (e nodeError) status(otherwise codes.Code) error {
	code := otherwise
	if e.GRPCCode != nil && *e.GRPCCode > 0 && *e.GRPCCode <= int(codes.Unauthenticated) {
		code = codes.Code(uint32(*e.GRPCCode))
	} else if by, found := codesOf[*e.ErrorCategory]; found {
		code = by
	}
	id := jsonapi.CleanText(*e.Code)
	s := status.New(code, fmt.Sprintf("%s(%d,%.8s): %s", id, *e.ErrorCategory, jsonapi.CleanText(e.CorrelationID), jsonapi.CleanText(*e.Cause)))
	metadata := map[string]string{"category": strconv.Itoa(*e.ErrorCategory)}
	for key, value := range e.Context {
		if len(metadata) < 32 && key != "category" {
			metadata[jsonapi.CleanText(key)] = jsonapi.CleanText(value)
		}
	}
	if e.DefiniteAnswer != nil {
		metadata["definite_answer"] = strconv.FormatBool(*e.DefiniteAnswer)
	}
	detailed, err := s.WithDetails(&errdetails.ErrorInfo{Reason: id, Metadata: metadata})
	if err != nil {
		return s.Err()
	}
	if delay := delayOf(e.RetryInfo); delay > 0 {
		if d, err := detailed.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}); err == nil {
			detailed = d
		}
	}
	return detailed.Err()
}

// codesOf has the gRPC code of each error category.
var codesOf = map[int]codes.Code{
	1: codes.Unavailable, 2: codes.Aborted, 3: codes.DeadlineExceeded, 4: codes.Internal, 5: codes.InvalidArgument,
	6: codes.Unauthenticated, 7: codes.PermissionDenied, 8: codes.InvalidArgument, 9: codes.FailedPrecondition,
	10: codes.AlreadyExists, 11: codes.NotFound, 12: codes.OutOfRange, 13: codes.Internal, 14: codes.Unimplemented,
}

// failed returns the error of a websocket. Its text, which may quote the server, is clean.
func failed(code codes.Code, format string, args ...any) error {
	return status.Error(code, "jsonapi/ws: "+jsonapi.CleanText(fmt.Sprintf(format, args...)))
}

// delayOf reads a delay as Scala writes it, such as "1 second" or "250 milliseconds", up to
// an hour. It returns 0 for what is none.
func delayOf(text string) time.Duration {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseUint(number, 10, 64)
	of := delayUnits[strings.TrimSuffix(unit, "s")]
	switch {
	case of == 0, err != nil && !errors.Is(err, strconv.ErrRange):
		return 0
	case n > uint64(time.Hour/of): // also the largest number, which stands for a larger one
		return time.Hour
	}
	return time.Duration(n) * of
}

// delayUnits are Scala's units of time.
var delayUnits = map[string]time.Duration{
	"nanosecond": time.Nanosecond, "microsecond": time.Microsecond, "millisecond": time.Millisecond,
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour,
}

// refusal makes the error of a handshake that has failed.
func refusal(ctx context.Context, resp *http.Response, err error) error {
	var attempts *jsonapi.AttemptsError
	var none *jsonapi.NoEligibleError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("jsonapi/ws: %w", context.Cause(ctx))
	case errors.As(err, &none), errors.As(err, &attempts):
		return failed(codes.Unavailable, "%v", err)
	case resp == nil:
		return failed(codes.FailedPrecondition, "%v", err)
	case resp.StatusCode == http.StatusSwitchingProtocols: // to something else
		return failed(codes.Internal, "%v", err)
	}
	code, found := map[int]codes.Code{
		http.StatusBadRequest: codes.InvalidArgument, http.StatusUnauthorized: codes.Unauthenticated,
		http.StatusForbidden: codes.PermissionDenied, http.StatusNotFound: codes.Unimplemented,
		http.StatusMethodNotAllowed: codes.Unimplemented, http.StatusTooManyRequests: codes.Unavailable,
		http.StatusBadGateway: codes.Unavailable, http.StatusServiceUnavailable: codes.Unavailable,
		http.StatusGatewayTimeout: codes.Unavailable,
	}[resp.StatusCode]
	if !found {
		code = codes.Unknown
	}
	if resp.Body != nil {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxText))
		if e, ok := readError(body); ok {
			return e.status(code)
		}
	}
	return failed(code, "the server has answered %s in place of a websocket", resp.Status)
}
