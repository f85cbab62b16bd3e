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

// Error is what a node says about an error.
type Error struct {
	// ID names the error, such as DUPLICATE_COMMAND. Never empty.
	ID string
	// Category is its class, 0 if the node does not say.
	Category Category
	// CorrelationID finds the request in the node's logs; perhaps only its first
	// eight characters. Empty if there is none.
	CorrelationID string
	// DefiniteAnswer tells that the node knows that the command was not and will
	// not be accepted.
	DefiniteAnswer bool
	// RetryDelay is how long the node asks to wait before the next try, at most an
	// hour; 0 if it does not say.
	RetryDelay time.Duration
	// Metadata is what else the node says, by key; nil if nothing.
	Metadata map[string]string
}

// From reads err, which may be wrapped. It tells whether a node has said anything
// about it.
func From(err error) (Error, bool) {
	s := statusOf(err)
	if s == nil || s.Code() == codes.OK {
		return Error{}, false
	}
	var e Error
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
	return e, e.ID != ""
}

// statusOf gives the status that err is or wraps, with its own message: that of
// status.Convert would begin with the words of whoever has wrapped it.
func statusOf(err error) *status.Status {
	var e interface {
		error
		GRPCStatus() *status.Status
	}
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
