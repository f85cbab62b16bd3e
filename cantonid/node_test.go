package cantonid

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// answers returns a message with text fields, numbered from 1.
func answers(name string, fields ...string) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
	for i, field := range fields {
		m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
			Name: proto.String(field), Number: proto.Int32(int32(i + 1)),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		})
	}
	return m
}

// canton returns the files of Canton that define the methods of this package, as
// generated stubs register them.
func canton() []*descriptorpb.FileDescriptorProto {
	file := func(path, pkg string, messages ...*descriptorpb.DescriptorProto) *descriptorpb.FileDescriptorProto {
		return &descriptorpb.FileDescriptorProto{
			Name: proto.String(path), Package: proto.String(pkg), Syntax: proto.String("proto3"), MessageType: messages,
		}
	}
	return []*descriptorpb.FileDescriptorProto{
		file("com/daml/ledger/api/v2/admin/party_management_service.proto", "com.daml.ledger.api.v2.admin",
			answers("GetParticipantIdRequest"), answers("GetParticipantIdResponse", "participant_id")),
		file("com/daml/ledger/api/v1/admin/party_management_service.proto", "com.daml.ledger.api.v1.admin",
			answers("GetParticipantIdRequest"), answers("GetParticipantIdResponse", "participant_id")),
		file("com/digitalasset/canton/sequencer/api/v30/sequencer_connect_service.proto", "com.digitalasset.canton.sequencer.api.v30",
			&descriptorpb.DescriptorProto{Name: proto.String("SequencerConnect"), NestedType: []*descriptorpb.DescriptorProto{
				answers("GetSynchronizerIdRequest"),
				answers("GetSynchronizerIdResponse", "physical_synchronizer_id", "sequencer_uid"),
			}}),
	}
}

// node is a fake Canton node with the methods that the hooks call.
type node struct {
	v1 bool // an old Ledger API
	// ids are what it returns: the participant's, or the synchronizer's and the
	// sequencer's. failure is what it returns instead.
	ids     atomic.Pointer[[]string]
	failure atomic.Pointer[status.Status]
}

func (n *node) says(ids ...string) { n.ids.Store(&ids) }

// register adds the services of a participant and of a sequencer.
func (n *node) register(srv *grpc.Server) {
	participant := "com.daml.ledger.api.v2.admin"
	if n.v1 {
		participant = "com.daml.ledger.api.v1.admin"
	}
	n.add(srv, participant+".PartyManagementService", "GetParticipantId",
		protoreflect.FullName(participant+".GetParticipantIdRequest"), protoreflect.FullName(participant+".GetParticipantIdResponse"))
	const sequencer = "com.digitalasset.canton.sequencer.api.v30"
	n.add(srv, sequencer+".SequencerConnectService", "GetSynchronizerId",
		sequencer+".SequencerConnect.GetSynchronizerIdRequest", sequencer+".SequencerConnect.GetSynchronizerIdResponse")
}

func (n *node) add(srv *grpc.Server, service, method string, request, response protoreflect.FullName) {
	messageOf := func(name protoreflect.FullName) *dynamicpb.Message {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		if err != nil {
			panic(err)
		}
		return dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	}
	answer := func(context.Context, any) (any, error) {
		if s := n.failure.Load(); s != nil {
			return nil, s.Err()
		}
		reply := messageOf(response)
		for i, id := range *n.ids.Load() {
			if field := reply.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(i + 1)); field != nil {
				reply.Set(field, protoreflect.ValueOfString(id))
			}
		}
		return reply, nil
	}
	handler := func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		in := messageOf(request)
		if err := decode(in); err != nil {
			return nil, err
		}
		return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/" + service + "/" + method}, answer)
	}
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: service, Methods: []grpc.MethodDesc{{MethodName: method, Handler: handler}}}, nil)
}

// registered registers the files of Canton, once. It shows that the importer's stubs
// and this package are independent: a name that is already registered would be an
// error.
func registered(t *testing.T) {
	t.Helper()
	for _, file := range canton() {
		if _, err := protoregistry.GlobalFiles.FindFileByPath(file.GetName()); err == nil {
			continue // by an earlier test
		}
		built, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
		require.NoError(t, err)
		require.NoError(t, protoregistry.GlobalFiles.RegisterFile(built))
	}
}

func failing(code codes.Code, message string) *status.Status { return status.New(code, message) }
