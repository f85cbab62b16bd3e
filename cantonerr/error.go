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

// Bounds of the details that are read; a node sends four at most.
const (
	maxDetails    = 16
	maxDetailSize = 64 << 10 // bytes
	maxMetadata   = 64       // entries
	maxDelay      = time.Hour
)

// The keys of an ErrorInfo's metadata that are of the error model itself.
const (
	categoryKey       = "category"
	definiteAnswerKey = "definite_answer"
)

// Error is what a Canton or Daml node says about the error of a call, beyond its
// gRPC code. From makes it. As an error it is the one that it was read from: it has
// its text, and unwraps to it. Nobody changes it once it is made.
type Error struct {
	// ID names the error, such as "DUPLICATE_COMMAND". Never empty.
	ID string
	// Category is its class, 0 if the node does not say.
	Category Category
	// CorrelationID finds the request in the node's logs. It may be only the first
	// eight characters. Empty if there is none.
	CorrelationID string
	// DefiniteAnswer is true if the node knows that the command was not and will not
	// be accepted. While it is false, the command may yet be.
	DefiniteAnswer bool
	// RetryDelay is how long the node asks to wait before the next try, at most an
	// hour; 0 if it does not ask.
	RetryDelay time.Duration
	// Metadata is what else the node says, by key, such as "completion_offset" with
	// DUPLICATE_COMMAND. Nil if nothing. It is text of a peer.
	Metadata map[string]string

	err error
}

// Error returns the text of the error that e was read from.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the error that e was read from.
func (e *Error) Unwrap() error { return e.err }

// From reads what a node has said about err, which may be wrapped, and may be that
// of status.FromProto(completion.Status).Err(). It returns nil and false for an
// error of which no node has said anything, and for nil.
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

// statusOf returns the status that err is or wraps, with its own message: that of
// status.Convert would begin with the text of the wrapping errors.
func statusOf(err error) *status.Status {
	var e interface{ GRPCStatus() *status.Status }
	if errors.As(err, &e) {
		return e.GRPCStatus()
	}
	return nil
}

// read takes in one detail of a status, if it is one of ours.
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
