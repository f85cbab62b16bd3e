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
		clean, was := scrubbedDetail(d, 0)
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

// mostNested is how deep details may be nested that hold a secret: each level is searched
// again.
const mostNested = 10

// scrubbedDetail returns a detail without secrets, and whether it had some. A detail that
// has one is left out if its type is unknown or holds it, or if it is nested too deep.
func scrubbedDetail(d *anypb.Any, depth int) (clean *anypb.Any, changed bool) {
	if !hasToken(d.GetTypeUrl()) && !hasToken(string(d.GetValue())) {
		return d, false
	}
	m, err := d.UnmarshalNew()
	if err != nil || depth > mostNested || hasToken(d.GetTypeUrl()) {
		return nil, true
	}
	scrubMessage(m.ProtoReflect(), depth)
	m.ProtoReflect().SetUnknown(nil)
	clean, err = anypb.New(m)
	if err != nil {
		return nil, true
	}
	return clean, true
}

func hasToken(text string) bool { return cleantext.ScrubTokens(text) != text }

// scrubMessage removes the secrets from all texts of a message.
func scrubMessage(m protoreflect.Message, depth int) {
	if inner, ok := m.Interface().(*anypb.Any); ok {
		if clean, _ := scrubbedDetail(inner, depth+1); clean != inner {
			proto.Reset(inner)
			proto.Merge(inner, clean)
		}
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			scrubMap(f, v.Map(), depth)
		case f.IsList():
			for i := range v.List().Len() {
				if clean, ok := scrubValue(f, v.List().Get(i), depth); ok {
					v.List().Set(i, clean)
				}
			}
		default:
			if clean, ok := scrubValue(f, v, depth); ok {
				m.Set(f, clean)
			}
		}
		return true
	})
}

// scrubMap removes the secrets from the keys and the values of a map.
func scrubMap(f protoreflect.FieldDescriptor, entries protoreflect.Map, depth int) {
	var keys []protoreflect.MapKey
	entries.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	for _, k := range keys {
		v := entries.Get(k)
		if clean, ok := scrubValue(f.MapValue(), v, depth); ok {
			v = clean
			entries.Set(k, clean)
		}
		if key, ok := scrubValue(f.MapKey(), k.Value(), depth); ok && !key.Equal(k.Value()) {
			entries.Clear(k)
			entries.Set(key.MapKey(), v)
		}
	}
}

// scrubValue returns the value to set in place of v, if any.
func scrubValue(f protoreflect.FieldDescriptor, v protoreflect.Value, depth int) (protoreflect.Value, bool) {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(cleantext.ScrubTokens(v.String())), true
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(cleantext.ScrubTokens(string(v.Bytes())))), true
	case protoreflect.MessageKind, protoreflect.GroupKind:
		scrubMessage(v.Message(), depth)
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
