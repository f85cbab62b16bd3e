package cantonlb

import (
	"context"
	"errors"
	"net"
	"reflect"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/attempt"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// mostLeftCalls bounds the calls that have ended here although their credentials have
// not returned.
const mostLeftCalls = 1000

// heeder makes calls end with their contexts, although call credentials of the channel
// or of the call ignore theirs, as grpc's oauth.TokenSource does. grpc asks them in the
// goroutine of the call. Its zero value is ready for use.
type heeder struct {
	left guard.Left

	once    sync.Once
	foreign bool // the channel has call credentials of the program
}

// must reports whether a call may have to wait for credentials of the program.
func (h *heeder) must(ctx context.Context, cc *grpc.ClientConn, opts []grpc.CallOption) bool {
	if ctx.Done() == nil {
		return false
	}
	for _, o := range opts {
		if _, ok := o.(grpc.PerRPCCredsCallOption); ok {
			return true
		}
	}
	h.once.Do(func() { h.foreign = hasCallCredentials(cc) })
	return h.foreign
}

// heeding returns the options of a call that do makes. It has credentials that are asked
// last, and that end the call if it has been left alone meanwhile.
func heeding(opts []grpc.CallOption) []grpc.CallOption {
	var last lastAsked
	for _, o := range opts {
		if own, ok := o.(grpc.PerRPCCredsCallOption); ok { // the last one counts
			last.own = own.Creds
		}
	}
	return append(slices.Clip(opts), grpc.PerRPCCredentials(last))
}

// lastAsked are credentials of a call that grpc asks after those of the channel. They
// have the metadata of the call's own ones, if there are any.
type lastAsked struct{ own credentials.PerRPCCredentials }

func (l lastAsked) GetRequestMetadata(ctx context.Context, uri ...string) (md map[string]string, err error) {
	if l.own != nil {
		md, err = l.own.GetRequestMetadata(ctx, uri...)
	}
	if r := attempt.From(ctx); r != nil && !r.Send() {
		return nil, status.Error(codes.Canceled, errHangs.Error())
	}
	return md, err
}

func (l lastAsked) RequireTransportSecurity() bool {
	return l.own != nil && l.own.RequireTransportSecurity()
}

// heeded is the result of opening a stream.
type heeded struct {
	stream grpc.ClientStream
	err    error
}

// errHangs is in the error of a call that was given up before it was sent.
var errHangs = errors.New("the call credentials have not returned")

// errPanicked is the error of a call in which code of the program has panicked.
var errPanicked = status.Error(codes.Internal, "the call has panicked")

// do calls f, which makes a call or opens a stream with the options of heeding, and
// returns when ctx ends. ctx carries a record.
func (h *heeder) do(ctx context.Context, f func() (grpc.ClientStream, error)) (grpc.ClientStream, error) {
	got, err := guard.AwaitIf(ctx, &h.left, "the call credentials", mostLeftCalls, func() (r heeded) {
		r.stream, r.err = f()
		return r
	}, nil, attempt.From(ctx).Leave)
	var left *guard.LeftError
	switch {
	case err == nil:
		return got.stream, got.err
	case errors.As(err, &left):
		return nil, status.Error(codes.Unavailable, left.Error())
	case errors.Is(err, guard.ErrPanicked):
		return nil, errPanicked
	default:
		return nil, &hangsError{status.FromContextError(err).Code()}
	}
}

// hangsError is the error of a call that was given up at the end of its context, and
// whose credentials have not returned. The call must not be reissued: its record may
// still change.
type hangsError struct{ code codes.Code }

func (e *hangsError) Error() string { return e.GRPCStatus().Err().Error() }

func (e *hangsError) GRPCStatus() *status.Status { return status.New(e.code, errHangs.Error()) }

func (e *hangsError) Unwrap() error {
	if e.code == codes.Canceled {
		return context.Canceled
	}
	return context.DeadlineExceeded
}

// hasCallCredentials reports whether a channel has call credentials of the program. A
// channel does not tell, and a goroutine for each call would cost those that have
// none, so this looks at its fields. If they are not there, it returns true.
func hasCallCredentials(cc *grpc.ClientConn) bool {
	options := reflect.ValueOf(cc).Elem().FieldByName("dopts")
	if !options.IsValid() || options.Kind() != reflect.Struct {
		return true
	}
	options = options.FieldByName("copts")
	if !options.IsValid() || options.Kind() != reflect.Struct {
		return true
	}
	bundle, list := options.FieldByName("CredsBundle"), options.FieldByName("PerRPCCredentials")
	if !bundle.IsValid() || bundle.Kind() != reflect.Interface || !bundle.IsNil() || !list.IsValid() || list.Kind() != reflect.Slice {
		return true
	}
	own := reflect.TypeOf(new(transport.Credentials).Tokens())
	for i := range list.Len() {
		if c := list.Index(i); c.Kind() != reflect.Interface || c.Elem().Type() != own {
			return true
		}
	}
	return false
}

// heedingDialer returns the option with which the channel's dialer returns when its
// context ends, whatever it does. left counts the dials that have not returned.
func heedingDialer(dial func(context.Context, string) (net.Conn, error), left *guard.Left) grpc.DialOption {
	if dial == nil {
		return grpc.EmptyDialOption{}
	}
	return grpc.WithContextDialer(transport.HeedingDialer(dial, left))
}
