package lbtest

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The Echo service has no generated code. Its descriptor is registered as generated
// code would do it, so that tools find its methods.
func init() { //nolint:gochecknoinits // as generated code does
	method := func(name string, in, out proto.Message, streams bool) *descriptorpb.MethodDescriptorProto {
		typeOf := func(m proto.Message) *string {
			return proto.String("." + string(m.ProtoReflect().Descriptor().FullName()))
		}
		return &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: typeOf(in), OutputType: typeOf(out), ServerStreaming: proto.Bool(streams),
		}
	}
	fileOf := func(d protoreflect.FileDescriptor) string { return d.Path() }
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("lbtest/echo.proto"), Package: proto.String("lbtest"), Syntax: proto.String("proto3"),
		Dependency: []string{fileOf(wrapperspb.File_google_protobuf_wrappers_proto), fileOf(durationpb.File_google_protobuf_duration_proto)},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Echo"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Echo", new(wrapperspb.StringValue), new(wrapperspb.StringValue), false),
			method("Ticks", new(durationpb.Duration), new(wrapperspb.UInt64Value), true),
		}}},
	}, protoregistry.GlobalFiles)
	if err == nil {
		err = protoregistry.GlobalFiles.RegisterFile(file)
	}
	if err != nil {
		panic("lbtest: " + err.Error()) //nolint:forbidigo // the descriptor is fixed
	}
}
