package cantonlb

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// hidingTokens returns the options of a call, with credentials whose tokens are known
// from then on, so that they can be removed from what a server says.
func hidingTokens(opts []grpc.CallOption) []grpc.CallOption {
	for i, o := range opts {
		if own, ok := o.(grpc.PerRPCCredsCallOption); ok && own.Creds != nil {
			opts = slices.Clone(opts)
			opts[i] = grpc.PerRPCCredentials(transport.OfCall(own.Creds))
		}
	}
	return opts
}

// scrubbed returns the error of a call without the secrets that the server has quoted
// in its message or in its details, among them those in the metadata that the program
// has put into ctx. Other errors are returned unchanged.
func scrubbed(ctx context.Context, err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		for key, values := range md {
			for _, value := range values {
				transport.HideOfCall(key, value)
			}
		}
	}
	p := s.Proto()
	message := cleantext.ScrubTokens(p.GetMessage())
	changed := message != p.GetMessage()
	details := make([]*anypb.Any, 0, len(p.GetDetails()))
	for _, d := range p.GetDetails() {
		clean, was := scrubbedDetail(d)
		changed = changed || was
		if clean != nil {
			details = append(details, clean)
		}
	}
	if !changed {
		return err
	}
	p.Message, p.Details = message, details
	return status.FromProto(p).Err()
}

// scrubbedDetail returns a detail without secrets, and whether it had some. A detail of
// an unknown type that has one is left out.
func scrubbedDetail(d *anypb.Any) (clean *anypb.Any, changed bool) {
	if text := string(d.GetValue()); cleantext.ScrubTokens(text) == text {
		return d, false
	}
	m, err := d.UnmarshalNew()
	if err != nil {
		return nil, true
	}
	scrubMessage(m.ProtoReflect())
	m.ProtoReflect().SetUnknown(nil)
	clean, err = anypb.New(m)
	if err != nil {
		return nil, true
	}
	return clean, true
}

// scrubMessage removes the secrets from all texts of a message.
func scrubMessage(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v2 protoreflect.Value) bool {
				if clean, ok := scrubValue(f.MapValue(), v2); ok {
					v.Map().Set(k, clean)
				}
				return true
			})
		case f.IsList():
			for i := range v.List().Len() {
				if clean, ok := scrubValue(f, v.List().Get(i)); ok {
					v.List().Set(i, clean)
				}
			}
		default:
			if clean, ok := scrubValue(f, v); ok {
				m.Set(f, clean)
			}
		}
		return true
	})
}

// scrubValue returns the value to set in place of v, if any.
func scrubValue(f protoreflect.FieldDescriptor, v protoreflect.Value) (protoreflect.Value, bool) {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(cleantext.ScrubTokens(v.String())), true
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(cleantext.ScrubTokens(string(v.Bytes())))), true
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if inner, ok := v.Message().Interface().(*anypb.Any); ok {
			clean, _ := scrubbedDetail(inner)
			proto.Reset(inner)
			if clean != nil {
				proto.Merge(inner, clean)
			}
		} else {
			scrubMessage(v.Message())
		}
	default:
	}
	return protoreflect.Value{}, false
}

// scrubbedStream is a stream whose errors hold no secret.
type scrubbedStream struct {
	grpc.ClientStream

	ctx context.Context //nolint:containedctx // that of the call
}

func (s scrubbedStream) RecvMsg(m any) error { return scrubbed(s.ctx, s.ClientStream.RecvMsg(m)) }
func (s scrubbedStream) SendMsg(m any) error { return scrubbed(s.ctx, s.ClientStream.SendMsg(m)) }
func (s scrubbedStream) CloseSend() error    { return scrubbed(s.ctx, s.ClientStream.CloseSend()) }

func (s scrubbedStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	return md, scrubbed(s.ctx, err)
}
