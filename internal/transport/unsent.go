package transport

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ForProbes makes the calls of probes on one connection. A call that is not sent
// because call credentials of the channel have failed ends with an error that has a
// method CredentialsFailed, as a *TokenError has.
type ForProbes struct{ grpc.ClientConnInterface }

// NewStream opens a stream.
func (c ForProbes) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := c.ClientConnInterface.NewStream(ctx, desc, method, opts...)
	var own *TokenError
	if err == nil || errors.As(err, &own) || ctx.Err() != nil || c.ofConnection(err) { //nolint:contextcheck // it does not wait
		return stream, err
	}
	return nil, &channelCredentialsError{err}
}

// ofConnection reports whether a stream was not opened because the connection has
// ended, or because its streams are in use. grpc has the same code for that and for
// credentials that are unavailable.
func (c ForProbes) ofConnection(err error) bool {
	switch status.Code(err) {
	case codes.Canceled, codes.DeadlineExceeded:
		return true
	case codes.Unavailable:
		return Ended(c.ClientConnInterface)
	default:
		return false
	}
}

// channelCredentialsError is the error of a call that call credentials of the channel
// have prevented.
type channelCredentialsError struct{ error }

// GRPCStatus returns the error as a gRPC status.
func (e *channelCredentialsError) GRPCStatus() *status.Status { return status.Convert(e.error) }

// Unwrap returns the error of grpc.
func (e *channelCredentialsError) Unwrap() error { return e.error }

// CredentialsFailed returns false: the credentials are those of the channel.
func (*channelCredentialsError) CredentialsFailed() (own bool) { return false }
