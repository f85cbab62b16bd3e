package quorum

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	_ "google.golang.org/protobuf/types/known/anypb" // is always known
)

const anyName = "google.protobuf.Any"

// maxAnyDepth bounds how deep messages may lie inside each other as an Any.
const maxAnyDepth = 16

// canonical drops from m whatever its type does not know, at any depth, and returns the
// bytes of the rest, which are equal for equal messages. What the bytes do not cover is
// not left in m either: a field that this program does not know is not compared, so that
// it may not be believed.
//
// An Any whose type is known is treated as the message inside it. One whose type is not
// known is compared by its bytes.
func canonical(m proto.Message) ([]byte, error) {
	if err := dropUnknown(m.ProtoReflect(), 0); err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func dropUnknown(m protoreflect.Message, depth int) error {
	if len(m.GetUnknown()) > 0 {
		m.SetUnknown(nil)
	}
	if m.Descriptor().FullName() == anyName {
		return unfold(m, depth)
	}
	var err error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					err = dropUnknown(v.Message(), depth)
					return err == nil
				})
			}
		case f.Message() == nil:
		case f.IsList():
			for i := 0; i < v.List().Len() && err == nil; i++ {
				err = dropUnknown(v.List().Get(i).Message(), depth)
			}
		default:
			err = dropUnknown(v.Message(), depth)
		}
		return err == nil
	})
	return err
}

// unfold makes the bytes inside an Any canonical, which may be one by descriptor.
func unfold(m protoreflect.Message, depth int) error {
	if depth >= maxAnyDepth {
		return fmt.Errorf("messages inside each other as Any, %d deep", depth)
	}
	typeURL, value := m.Descriptor().Fields().ByName("type_url"), m.Descriptor().Fields().ByName("value")
	kind, err := protoregistry.GlobalTypes.FindMessageByURL(m.Get(typeURL).String())
	if err != nil {
		return nil //nolint:nilerr // not known here: its bytes stand for it
	}
	inner := kind.New()
	if err := proto.Unmarshal(m.Get(value).Bytes(), inner.Interface()); err != nil {
		return fmt.Errorf("an Any that is no %s", kind.Descriptor().FullName())
	}
	if err := dropUnknown(inner, depth+1); err != nil {
		return err
	}
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(inner.Interface())
	m.Set(value, protoreflect.ValueOfBytes(wire))
	return err
}
