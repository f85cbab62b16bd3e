package cantonlb

import (
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/explain"
)

// stream is a stream whose errors say which endpoint it was on. It holds the record of
// its attempts, so that both are one allocation.
type stream struct {
	grpc.ClientStream

	ctx    context.Context //nolint:containedctx // the caller's: it shows whether the caller ended the stream
	record attempt.Record
}

// open opens the stream. If it is movable, the policy may end it.
func (s *stream) open(opts []grpc.CallOption, open func(context.Context, ...grpc.CallOption) (grpc.ClientStream, error)) (grpc.ClientStream, error) {
	own, cancel := attempt.NewContext(s.ctx, &s.record), func() {}
	if s.record.Movable {
		own, cancel = context.WithCancel(own)
		s.record.Begin(cancel)
		opts = append(slices.Clip(opts), grpc.OnFinish(func(error) { cancel() }))
	}
	opened, err := open(own, opts...)
	if err != nil {
		cancel()
		return nil, s.failed(err)
	}
	s.ClientStream = opened
	return s, nil
}

// failed returns the stream's error in its most specific type: a *MovedError if the
// policy ended the stream.
func (s *stream) failed(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // io.EOF is never wrapped
		return err
	}
	var why *explain.MovedError
	if errors.As(s.record.Ended(), &why) && status.Code(err) == codes.Canceled && s.ctx.Err() == nil {
		return (*MovedError)(why)
	}
	return typed(err, &s.record)
}

func (s *stream) RecvMsg(msg any) error { return s.failed(s.ClientStream.RecvMsg(msg)) }

func (s *stream) SendMsg(msg any) error { return s.failed(s.ClientStream.SendMsg(msg)) }

func (s *stream) CloseSend() error { return s.failed(s.ClientStream.CloseSend()) }

func (s *stream) Header() (metadata.MD, error) {
	header, err := s.ClientStream.Header()
	return header, s.failed(err)
}
