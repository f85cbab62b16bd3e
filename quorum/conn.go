package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// ConnConfig sets how a Conn reads.
type ConnConfig struct {
	Config
	// Methods are the unary reads that members must agree on, by their full names such
	// as "/pkg.Service/Method", or all of a service by "/pkg.Service/*". Declare only
	// methods that change nothing: each call is sent to several members.
	Methods []string
	// Strip, if not nil, clears fields of a reply in which honest members may differ,
	// such as the time at which they answered, before it is compared and returned. Key,
	// if not nil, returns what is compared instead of the whole reply; the caller must
	// not use what it leaves out. Both must return at once, and be safe for concurrent
	// use.
	Strip func(method string, reply proto.Message)
	Key   func(method string, reply proto.Message) (string, error)
	// Answers are the status codes that count as answers, such as codes.NotFound. The
	// caller gets only the code: messages and details differ between members. UNAVAILABLE,
	// DEADLINE_EXCEEDED and CANCELLED are refused: members that are down would agree.
	Answers []codes.Code
	// MaxReply bounds a reply, in bytes. Default 4 MiB. At most one reply for each member
	// is held at a time.
	MaxReply int
	// ForwardCredentials sends the call's "authorization" metadata, and the credentials
	// of grpc.PerRPCCredentials among its options, to the members. Each organisation
	// that receives a token can use it at the others: instead, configure a separate
	// token on each member's own connection.
	ForwardCredentials bool
	// Other makes the calls that are not declared, including streams. Without it they
	// fail with UNIMPLEMENTED.
	Other grpc.ClientConnInterface
}

const defaultMaxReply = 4 << 20

// noAnswers are the codes that Answers may not have: that of a reply, and those of calls
// that have not reached a server, so that members that are down would agree.
var noAnswers = []codes.Code{codes.OK, codes.Unavailable, codes.DeadlineExceeded, codes.Canceled}

// Conn is a connection whose declared unary reads return what several members agree
// on. Generated stubs accept it in place of a *grpc.ClientConn. It is safe for
// concurrent use.
//
// Replies are compared by their deterministic bytes, without the fields that this
// program's types do not know; the caller does not get those either. Headers and
// trailers come from a single member, so grpc.Header and grpc.Trailer return none, and
// grpc.Peer returns nothing.
type Conn struct {
	members *Members
	cfg     ConnConfig
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// NewConn returns a Conn. Each member needs a Member.Conn.
func NewConn(members *Members, cfg ConnConfig) (*Conn, error) {
	if members == nil {
		return nil, errors.New("quorum: members: nil; want Members")
	}
	for _, m := range members.List() {
		if m.Conn == nil {
			return nil, fmt.Errorf("quorum: member %q: conn: nil; want a gRPC connection", m.Name)
		}
	}
	if len(cfg.Methods) == 0 {
		return nil, errors.New(`quorum: methods: none; want the reads that members have to agree on, such as "/pkg.Service/Method"`)
	}
	for i, m := range cfg.Methods {
		if !strings.HasPrefix(m, "/") || strings.Count(m, "/") != 2 || strings.HasPrefix(m, "//") || strings.HasSuffix(m, "/") {
			return nil, fmt.Errorf(`quorum: methods[%d] %q: want "/pkg.Service/Method" or "/pkg.Service/*"`, i, m)
		}
	}
	for i, code := range cfg.Answers {
		if slices.Contains(noAnswers, code) {
			return nil, fmt.Errorf("quorum: answers[%d] %v: want codes of errors that only a server returns", i, code)
		}
	}
	if cfg.MaxReply < 0 {
		return nil, fmt.Errorf("quorum: max reply %d: want a number of bytes above zero, or 0 for %d", cfg.MaxReply, defaultMaxReply)
	}
	if cfg.MaxReply == 0 {
		cfg.MaxReply = defaultMaxReply
	}
	if _, _, err := cfg.thresholds(len(members.List())); err != nil {
		return nil, err
	}
	cfg.fit = true
	cfg.Methods, cfg.Answers = slices.Clone(cfg.Methods), slices.Clone(cfg.Answers)
	return &Conn{members: members, cfg: cfg}, nil
}

// declared reports whether members must agree on a method's replies.
func (c *Conn) declared(method string) bool {
	service := method[:strings.LastIndexByte(method, '/')+1] + "*"
	return slices.ContainsFunc(c.cfg.Methods, func(m string) bool { return m == method || m == service })
}

// Invoke implements grpc.ClientConnInterface. Without an agreement the error is a
// *NoQuorumError. args and reply must be protobuf messages.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if !c.declared(method) {
		if c.cfg.Other == nil {
			return notDeclared(method)
		}
		return c.cfg.Other.Invoke(ctx, method, args, reply, opts...)
	}
	request, ok := args.(proto.Message)
	out, ok2 := reply.(proto.Message)
	if !ok || !ok2 {
		return status.Errorf(codes.Internal, "quorum: %s: %T and %T: want protobuf messages, which can be compared", method, args, reply)
	}
	own, finish := sift(opts, c.cfg)
	got, err := c.read(ctx, method, proto.Clone(request), out.ProtoReflect().Type(), own) // a call that is called off may still read it
	if err == nil {
		proto.Reset(out)
		proto.Merge(out, got)
	}
	finish(err)
	return err
}

// answer is a reply with its key.
type answer struct {
	message proto.Message
	key     string
}

func (c *Conn) read(ctx context.Context, method string, request proto.Message, kind protoreflect.MessageType,
	opts []grpc.CallOption,
) (proto.Message, error) {
	cfg := c.cfg.Config
	agreed := func(err error) (codes.Code, bool) {
		s, ok := status.FromError(err) // any other error is this program's own
		return s.Code(), ok && slices.Contains(c.cfg.Answers, s.Code())
	}
	cfg.ErrorKey = func(err error) (string, bool) {
		code, ok := agreed(err)
		return code.String(), ok
	}
	if !c.cfg.ForwardCredentials {
		ctx = withoutCredentials(ctx)
	}
	got, v, err := Read(ctx, c.members, cfg, func(ctx context.Context, m Member) (answer, error) {
		if m.Conn == nil {
			return answer{}, errors.New("no gRPC connection")
		}
		one := kind.New().Interface()
		if err := m.Conn.Invoke(ctx, method, request, one, opts...); err != nil {
			if status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max") {
				return answer{}, &tooLargeError{limit: int64(c.cfg.MaxReply)}
			}
			return answer{}, err
		}
		key, err := c.key(method, one)
		return answer{message: one, key: key}, err
	}, func(a answer) string { return a.key })
	var none *NoQuorumError
	switch {
	case err == nil:
		return got.message, nil
	case errors.As(err, &none):
		return nil, err
	}
	if code, ok := agreed(err); ok && len(v.Names(OutcomeAgreed)) > 0 {
		return nil, status.Errorf(code, "%d members agree on %v", v.Agree, code)
	}
	return nil, status.Error(codes.FailedPrecondition, err.Error())
}

// key returns what is compared of a reply, and drops from it what is not.
func (c *Conn) key(method string, reply proto.Message) (string, error) {
	if c.cfg.Strip != nil {
		c.cfg.Strip(method, reply)
	}
	whole, err := canonical(reply)
	switch {
	case err != nil:
		return "", Invalid(err)
	case c.cfg.Key == nil:
		return string(whole), nil
	}
	key, err := c.cfg.Key(method, reply)
	if err != nil {
		return "", Invalid(err)
	}
	return key, nil
}

// NewStream implements grpc.ClientConnInterface. Streams go to Other: see Stream for
// streams that members have to agree on.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if c.cfg.Other == nil || c.declared(method) {
		return nil, notDeclared(method)
	}
	return c.cfg.Other.NewStream(ctx, desc, method, opts...)
}

func notDeclared(method string) error {
	return status.Errorf(codes.Unimplemented, "quorum: %s is not declared as a unary read, and there is no other connection for it",
		cleantext.Detail(method))
}

// withoutCredentials drops the caller's token from the metadata.
func withoutCredentials(ctx context.Context) context.Context {
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok || len(md.Get("authorization")) == 0 {
		return ctx
	}
	md = md.Copy()
	md.Delete("authorization")
	return metadata.NewOutgoingContext(ctx, md)
}

// sift removes from a call's options those that several calls cannot share, and sets
// their results to nothing. finish must be called with the call's error.
func sift(opts []grpc.CallOption, cfg ConnConfig) (own []grpc.CallOption, finish func(error)) {
	var finishers []func(error)
	maxReply := cfg.MaxReply
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = nil
		case grpc.TrailerCallOption:
			*o.TrailerAddr = nil
		case grpc.PeerCallOption:
			o.PeerAddr.Addr, o.PeerAddr.LocalAddr, o.PeerAddr.AuthInfo = nil, nil, nil
		case grpc.OnFinishCallOption:
			finishers = append(finishers, o.OnFinish)
		case grpc.MaxRecvMsgSizeCallOption:
			maxReply = min(maxReply, o.MaxRecvMsgSize)
		case grpc.PerRPCCredsCallOption:
			if cfg.ForwardCredentials {
				own = append(own, o)
			}
		default:
			own = append(own, o)
		}
	}
	own = append(own, grpc.MaxCallRecvMsgSize(maxReply))
	return own, func(err error) {
		for _, f := range finishers {
			f(err)
		}
	}
}
