package cantonerr

import (
	"errors"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Bounds of the details that are read. A node sends at most four.
const (
	maxDetails    = 16
	maxDetailSize = 64 << 10 // bytes
	maxMetadata   = 64       // entries
	maxDelay      = time.Hour
)

// The keys of an ErrorInfo's metadata that belong to the error model itself.
const (
	categoryKey       = "category"
	definiteAnswerKey = "definite_answer"
)

// Error is what a Canton or Daml node reports about the error of a call, in addition to
// its gRPC code. From returns it. It has the text of the error that it was read from,
// and unwraps to that error. It does not change once it is made.
type Error struct {
	// ID names the error, such as "DUPLICATE_COMMAND". It is never empty.
	ID string
	// Category is the class of the error, or 0 if the node does not report one.
	Category Category
	// CorrelationID identifies the request in the node's logs. It may be only the
	// first eight characters. It is empty if there is none.
	CorrelationID string
	// DefiniteAnswer is true if the node knows that the command was not and will not
	// be accepted. If it is false, the command may still be accepted.
	DefiniteAnswer bool
	// RetryDelay is how long the node asks the client to wait before the next attempt,
	// at most one hour, or 0 if it does not ask.
	RetryDelay time.Duration
	// Metadata holds what else the node reports, by key, such as "completion_offset"
	// with DUPLICATE_COMMAND. It is nil if there is nothing else. It is text of a peer.
	Metadata map[string]string

	err error
}

// Error returns the text of the error that e was read from.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the error that e was read from.
func (e *Error) Unwrap() error { return e.err }

// From reads what a node reports about err, which may be wrapped, and may be that of
// status.FromProto(completion.Status).Err(). It returns nil and false for an error that
// does not come from a node, and for nil.
func From(err error) (*Error, bool) {
	s := statusOf(err)
	if s == nil || s.Code() == codes.OK {
		return nil, false
	}
	e := &Error{err: err}
	for i, detail := range s.Proto().GetDetails() {
		if i == maxDetails {
			break
		}
		e.read(detail)
	}
	if p, ok := parsePrefix(s.Message()); ok && (e.ID == "" || e.ID == p.id) {
		e.ID = p.id
		if e.Category == 0 {
			e.Category = p.category
		}
		if e.CorrelationID == "" {
			e.CorrelationID = p.correlation
		}
	}
	if e.ID == "" {
		return nil, false
	}
	return e, true
}

// statusOf returns the status that err is or wraps, with its own message. The message
// of status.Convert would begin with the text of the wrapping errors.
func statusOf(err error) *status.Status {
	var e interface{ GRPCStatus() *status.Status }
	if errors.As(err, &e) {
		return e.GRPCStatus()
	}
	return nil
}

// read reads one detail of a status, if it belongs to the error model.
func (e *Error) read(detail *anypb.Any) {
	if len(detail.GetValue()) > maxDetailSize {
		return
	}
	switch {
	case detail.MessageIs((*errdetails.ErrorInfo)(nil)):
		if info, ok := decode[errdetails.ErrorInfo](detail); ok && e.ID == "" {
			e.readInfo(info)
		}
	case detail.MessageIs((*errdetails.RequestInfo)(nil)):
		if info, ok := decode[errdetails.RequestInfo](detail); ok && len(info.GetRequestId()) <= maxCorrelation {
			e.CorrelationID = info.GetRequestId()
		}
	case detail.MessageIs((*errdetails.RetryInfo)(nil)):
		if info, ok := decode[errdetails.RetryInfo](detail); ok && info.GetRetryDelay().IsValid() {
			e.RetryDelay = min(max(0, info.GetRetryDelay().AsDuration()), maxDelay)
		}
	}
}

func (e *Error) readInfo(info *errdetails.ErrorInfo) {
	if !isID(info.GetReason()) {
		return
	}
	e.ID = info.GetReason()
	metadata := info.GetMetadata()
	e.Category, _ = parseCategory(metadata[categoryKey])
	e.DefiniteAnswer, _ = strconv.ParseBool(metadata[definiteAnswerKey])
	delete(metadata, categoryKey)
	delete(metadata, definiteAnswerKey)
	if len(metadata) > 0 && len(metadata) <= maxMetadata {
		e.Metadata = metadata
	}
}

func decode[M any, P interface {
	*M
	proto.Message
}](detail *anypb.Any) (P, bool) {
	m := P(new(M))
	return m, detail.UnmarshalTo(m) == nil
}
