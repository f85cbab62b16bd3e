package protopath

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func texts(m proto.Message, path string) []string {
	var list []string
	_ = Each(m.ProtoReflect(), path, func(v protoreflect.Value) error {
		list = append(list, v.String())
		return nil
	})
	slices.Sort(list)
	return list
}

func TestAPathLeadsThroughMessagesListsAndToTheKeysOfAMap(t *testing.T) {
	file := &descriptorpb.FileDescriptorProto{MessageType: []*descriptorpb.DescriptorProto{
		{Name: proto.String("A"), NestedType: []*descriptorpb.DescriptorProto{{Name: proto.String("B")}, {Name: proto.String("C")}}},
		{Name: proto.String("D")},
	}}
	assert.Equal(t, []string{"A", "D"}, texts(file, "message_type.name"))
	assert.Equal(t, []string{"B", "C"}, texts(file, "message_type.nested_type.name"))
	for _, path := range []string{"", "nothing", "name", "name.more", "options.java_package", "message_type.nothing", "message_type.name.more"} {
		assert.Empty(t, texts(file, path), path)
	}
	object := &structpb.Struct{Fields: map[string]*structpb.Value{"x": structpb.NewStringValue("1"), "y": structpb.NewNullValue()}}
	assert.Equal(t, []string{"x", "y"}, texts(object, "fields"))
	assert.Empty(t, texts(object, "fields.string_value"))
}

func TestAnErrorEndsTheWalk(t *testing.T) {
	stop := errors.New("stop")
	for path, m := range map[string]proto.Message{
		"fields": &structpb.Struct{Fields: map[string]*structpb.Value{"x": nil, "y": nil}},
		"values": &structpb.ListValue{Values: []*structpb.Value{structpb.NewNullValue(), structpb.NewNullValue()}},
	} {
		n := 0
		assert.ErrorIs(t, Each(m.ProtoReflect(), path, func(protoreflect.Value) error { n++; return stop }), stop)
		assert.Equal(t, 1, n)
	}
}

// old is a message of the first version of Go's protobuf API.
type old struct {
	Name string `protobuf:"bytes,1,opt,name=name"`
}

func (*old) Reset()         {}
func (*old) String() string { return "" }
func (*old) ProtoMessage()  {}

func TestOnlyAMessageCanBeRead(t *testing.T) {
	var none *structpb.Struct
	for _, msg := range []any{nil, none, "text", 7, []byte("bytes")} {
		assert.Nil(t, Reflected(msg))
	}
	assert.NotNil(t, Reflected(&structpb.Struct{}))
	var list []string
	_ = Each(Reflected(&old{Name: "x"}), "name", func(v protoreflect.Value) error {
		list = append(list, v.String())
		return nil
	})
	assert.Equal(t, []string{"x"}, list)
}
