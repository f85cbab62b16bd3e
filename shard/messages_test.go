package shard

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The messages of the tests, by package, with the fields' names and types. A type with *
// is repeated, and map<X> is a map from strings.
var specs = map[string]string{
	"com.daml.ledger.api.v2": `
Value party:string inner:Value* text:string
Filters note:string
EventFormat filters_by_party:map<Filters> filters_for_any_party:Filters
TransactionFormat event_format:EventFormat
UpdateFormat include_transactions:TransactionFormat include_reassignments:EventFormat
Command choice_argument:Value
Commands user_id:string command_id:string act_as:string* read_as:string* party:string commands:Command*
ReassignmentCommands user_id:string submitter:string
SubmitRequest commands:Commands
SubmitAndWaitForTransactionRequest commands:Commands transaction_format:TransactionFormat
SubmitReassignmentRequest reassignment_commands:ReassignmentCommands
GetUpdatesRequest begin_exclusive:string update_format:UpdateFormat
GetUpdatesPageRequest update_format:UpdateFormat page_token:bytes
GetUpdateByIdRequest update_id:string update_format:UpdateFormat
CompletionStreamRequest user_id:string parties:string*
GetLedgerEndRequest
GetLedgerApiVersionRequest
GetSomethingNewRequest parties:string*`,
	"com.daml.ledger.api.v2.interactive": `
SinglePartySignatures party:string
PartySignatures signatures:SinglePartySignatures*
SubmitterInfo act_as:string*
Metadata submitter_info:SubmitterInfo
PreparedTransaction metadata:Metadata
PrepareSubmissionRequest act_as:string* read_as:string* user_id:string
ExecuteSubmissionRequest prepared_transaction:PreparedTransaction party_signatures:PartySignatures user_id:string`,
	"com.daml.ledger.api.v2.admin": `
CanActAs party:string
CanReadAs party:string
Right can_act_as:CanActAs can_read_as:CanReadAs
User id:string primary_party:string
GrantUserRightsRequest user_id:string rights:Right*
CreateUserRequest user:User rights:Right*
GetUserRequest user_id:string
AllocatePartyRequest party_id_hint:string
NewAdminRequest party:string`,
	"com.daml.ledger.api.v1": `
Commands application_id:string party:string act_as:string*
SubmitRequest commands:Commands
CompletionStreamRequest application_id:string parties:string*
GetEventsByContractKeyRequest requesting_parties:string* continuation_token:string`,
	"example.shop": `
OrderRequest party:string`,
	"grpc.health.v1": `
HealthCheckRequest service:string`,
}

// descriptors are the messages of specs by their full names.
var descriptors = func() map[string]protoreflect.MessageDescriptor {
	all := make(map[string]protoreflect.MessageDescriptor)
	for pkg, spec := range specs {
		file := &descriptorpb.FileDescriptorProto{Name: proto.String(pkg + ".test.proto"), Package: proto.String(pkg), Syntax: proto.String("proto3")}
		for line := range strings.SplitSeq(strings.TrimSpace(spec), "\n") {
			file.MessageType = append(file.MessageType, describe(pkg, strings.Fields(line)))
		}
		built, err := protodesc.NewFile(file, nil)
		if err != nil {
			panic(err)
		}
		for i := range built.Messages().Len() {
			m := built.Messages().Get(i)
			all[string(m.FullName())] = m
		}
	}
	return all
}()

func describe(pkg string, words []string) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: proto.String(words[0])}
	for i, word := range words[1:] {
		name, kind, _ := strings.Cut(word, ":")
		f := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), JsonName: proto.String(name), Number: proto.Int32(int32(i + 1)),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if rest, ok := strings.CutSuffix(kind, "*"); ok {
			kind, f.Label = rest, descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		if rest, ok := strings.CutPrefix(kind, "map<"); ok {
			entry := strings.ToUpper(name[:1]) + camel(name[1:]) + "Entry"
			nested := describe(pkg, []string{entry, "key:string", "value:" + strings.TrimSuffix(rest, ">")})
			nested.Options = &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}
			m.NestedType = append(m.NestedType, nested)
			kind, f.Label = words[0]+"."+entry, descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		switch kind {
		case "string":
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
		case "bytes":
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
		default:
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String("."+pkg+"."+kind)
		}
		m.Field = append(m.Field, f)
	}
	return m
}

// camel returns a name as protoc writes it in the name of a map's entry.
func camel(name string) string {
	var b strings.Builder
	for i, part := range strings.Split(name, "_") {
		if i > 0 && part != "" {
			part = strings.ToUpper(part[:1]) + part[1:]
		}
		b.WriteString(part)
	}
	return b.String()
}

// message returns a message of specs. What begins with a lower-case letter belongs to v2.
func message(t testing.TB, name, json string) *dynamicpb.Message {
	t.Helper()
	if !strings.Contains(name, ".") || strings.HasPrefix(name, "admin.") || strings.HasPrefix(name, "interactive.") {
		name = apiV2 + name
	}
	d := descriptors[name]
	require.NotNil(t, d, name)
	m := dynamicpb.NewMessage(d)
	require.NoError(t, protojson.Unmarshal([]byte(json), m))
	return m
}
