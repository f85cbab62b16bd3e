package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	_ "google.golang.org/genproto/googleapis/rpc/status" // registers what completions hold
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
)

// The messages of the Ledger API that the tests need: a line for each message, with its fields as
// name=number:type. A type ending in * is repeated, one with @name is part of that oneof.
const (
	wireV2 = `
OffsetCheckpoint offset=1:int64 synchronizer_times=2:SynchronizerTime*
SynchronizerTime synchronizer_id=1:string record_time=2:google.protobuf.Timestamp
Transaction update_id=1:string command_id=2:string offset=6:int64 record_time=9:google.protobuf.Timestamp
TransactionTree update_id=1:string offset=6:int64 record_time=10:google.protobuf.Timestamp
Reassignment update_id=1:string offset=4:int64 record_time=7:google.protobuf.Timestamp
TopologyTransaction update_id=1:string offset=2:int64 record_time=4:google.protobuf.Timestamp
GetUpdatesRequest begin_exclusive=1:int64 end_inclusive=2:int64@_end descending_order=6:bool
GetUpdatesResponse transaction=1:Transaction@update reassignment=2:Reassignment@update offset_checkpoint=3:OffsetCheckpoint@update topology_transaction=4:TopologyTransaction@update
GetUpdateTreesResponse transaction_tree=1:TransactionTree@update reassignment=2:Reassignment@update offset_checkpoint=3:OffsetCheckpoint@update
Completion command_id=1:string status=2:google.rpc.Status update_id=3:string user_id=4:string act_as=5:string* submission_id=6:string offset=10:int64 synchronizer_time=11:SynchronizerTime
CompletionStreamRequest user_id=1:string parties=2:string* begin_exclusive=3:int64
CompletionStreamResponse completion=1:Completion@r offset_checkpoint=2:OffsetCheckpoint@r
GetCompletionsRequest parties=1:string* begin_exclusive=2:int64
GetCompletionsResponse completion=1:Completion@r offset_checkpoint=2:OffsetCheckpoint@r
GetActiveContractsRequest active_at_offset=3:int64
GetActiveContractsResponse workflow_id=1:string
GetLedgerEndRequest
GetLedgerEndResponse offset=1:int64
GetParticipantIdResponse participant_id=1:string
GetLedgerApiVersionResponse version=1:string features=2:FeaturesDescriptor
FeaturesDescriptor offset_checkpoint=4:OffsetCheckpointFeature
OffsetCheckpointFeature max_offset_checkpoint_emission_delay=1:google.protobuf.Duration
Command text=1:string
Commands workflow_id=1:string user_id=2:string command_id=3:string commands=4:Command* deduplication_duration=5:google.protobuf.Duration@d deduplication_offset=6:int64@d act_as=9:string* submission_id=11:string
SubmitAndWaitRequest commands=1:Commands
SubmitAndWaitResponse update_id=1:string completion_offset=2:int64
SubmitAndWaitForTransactionRequest commands=1:Commands
SubmitAndWaitForTransactionResponse transaction=1:Transaction
SubmitRequest commands=1:Commands
SubmitResponse
ReassignmentCommands user_id=2:string command_id=3:string submitter=4:string submission_id=5:string
SubmitReassignmentRequest reassignment_commands=1:ReassignmentCommands
SubmitReassignmentResponse
SubmitAndWaitForReassignmentRequest reassignment_commands=1:ReassignmentCommands
SubmitAndWaitForReassignmentResponse reassignment=1:Reassignment
`
	wireInteractive = `
SubmitterInfo act_as=1:string* command_id=2:string
Metadata submitter_info=2:SubmitterInfo max_record_time=11:uint64@_m
PreparedTransaction metadata=2:Metadata
ExecuteSubmissionRequest prepared_transaction=1:PreparedTransaction deduplication_duration=3:google.protobuf.Duration@d deduplication_offset=4:int64@d submission_id=5:string user_id=6:string
ExecuteSubmissionResponse
ExecuteSubmissionAndWaitRequest prepared_transaction=1:PreparedTransaction deduplication_duration=3:google.protobuf.Duration@d submission_id=5:string user_id=6:string
ExecuteSubmissionAndWaitResponse update_id=1:string completion_offset=2:int64
`
	wireV1 = `
LedgerOffset absolute=1:string@value boundary=2:int32@value
Checkpoint record_time=1:google.protobuf.Timestamp offset=2:LedgerOffset
Transaction transaction_id=1:string offset=6:string
TransactionTree transaction_id=1:string offset=6:string
GetTransactionsRequest begin=2:LedgerOffset end=3:LedgerOffset
GetTransactionsResponse transactions=1:Transaction*
GetTransactionTreesResponse transactions=1:TransactionTree*
Completion command_id=1:string status=2:google.rpc.Status transaction_id=3:string application_id=4:string act_as=5:string* submission_id=6:string
CompletionStreamResponse checkpoint=1:Checkpoint completions=2:Completion*
GetActiveContractsResponse offset=1:string workflow_id=2:string
Commands application_id=3:string command_id=4:string party=5:string deduplication_duration=15:google.protobuf.Duration@d act_as=12:string* submission_id=14:string
SubmitRequest commands=1:Commands
SubmitAndWaitRequest commands=1:Commands
SubmitAndWaitForTransactionIdResponse transaction_id=1:string completion_offset=2:string
`
)

// wire holds the descriptors of these messages, by full name. They are not registered.
var wire = sync.OnceValue(func() map[protoreflect.FullName]protoreflect.MessageDescriptor {
	all := make(map[protoreflect.FullName]protoreflect.MessageDescriptor)
	for pkg, text := range map[string]string{
		"com.daml.ledger.api.v2": wireV2, "com.daml.ledger.api.v2.interactive": wireInteractive, "com.daml.ledger.api.v1": wireV1,
	} {
		file := describe(pkg, text)
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			all[m.FullName()] = m
		}
	}
	all["com.daml.ledger.api.v2.admin.GetParticipantIdResponse"] = all["com.daml.ledger.api.v2.GetParticipantIdResponse"]
	return all
})

func describe(pkg, text string) protoreflect.FileDescriptor {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String(pkg + ".proto"), Package: proto.String(pkg), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/timestamp.proto", "google/protobuf/duration.proto", "google/rpc/status.proto"},
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		words := strings.Fields(line)
		m := &descriptorpb.DescriptorProto{Name: proto.String(words[0])}
		oneofs := map[string]int32{}
		for _, word := range words[1:] {
			name, rest, _ := strings.Cut(word, "=")
			number, kind, _ := strings.Cut(rest, ":")
			n, err := strconv.Atoi(number)
			if err != nil {
				panic(err)
			}
			f := &descriptorpb.FieldDescriptorProto{
				Name: proto.String(name), Number: proto.Int32(int32(n)),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}
			kind, oneof, inOneof := strings.Cut(kind, "@")
			if inOneof {
				if _, ok := oneofs[oneof]; !ok {
					oneofs[oneof] = int32(len(m.GetOneofDecl()))
					m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(oneof)})
				}
				f.OneofIndex = proto.Int32(oneofs[oneof])
			}
			if one, many := strings.CutSuffix(kind, "*"); many {
				kind = one
				f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			switch kind {
			case "int64":
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_INT64.Enum()
			case "int32":
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum()
			case "uint64":
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_UINT64.Enum()
			case "string":
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
			case "bool":
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum()
			default:
				f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
				if !strings.HasPrefix(kind, "google.") {
					kind = pkg + "." + kind
				}
				f.TypeName = proto.String("." + kind)
			}
			m.Field = append(m.Field, f)
		}
		file.MessageType = append(file.MessageType, m)
	}
	d, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		panic(err)
	}
	return d
}

// fields is what a message is made of: texts, numbers, fields, and slices of them.
type fields map[string]any

// v2, v1 and interactive make messages.
func v2(name string, f fields) *dynamicpb.Message { return message(apiV2+name, f) }
func v1(name string, f fields) *dynamicpb.Message { return message(apiV1+name, f) }
func interactive(name string, f fields) *dynamicpb.Message {
	return message(apiV2+"interactive."+name, f)
}

func message(name string, f fields) *dynamicpb.Message {
	d, ok := wire()[protoreflect.FullName(name)]
	if !ok {
		panic("no message " + name)
	}
	m := dynamicpb.NewMessage(d)
	fill(m, f)
	return m
}

func fill(m protoreflect.Message, f fields) {
	for name, value := range f {
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			panic(fmt.Sprintf("no field %s in %s", name, m.Descriptor().FullName()))
		}
		switch v := value.(type) {
		case fields:
			fill(m.Mutable(fd).Message(), v)
		case []fields:
			list := m.Mutable(fd).List()
			for _, element := range v {
				fill(list.AppendMutable().Message(), element)
			}
		case []string:
			list := m.Mutable(fd).List()
			for _, element := range v {
				list.Append(protoreflect.ValueOfString(element))
			}
		case proto.Message:
			wired, err := proto.Marshal(v)
			if err == nil {
				err = proto.Unmarshal(wired, m.Mutable(fd).Message().Interface())
			}
			if err != nil {
				panic(err)
			}
		case int:
			switch fd.Kind() {
			case protoreflect.Int32Kind:
				m.Set(fd, protoreflect.ValueOfInt32(int32(v)))
			case protoreflect.Uint64Kind:
				m.Set(fd, protoreflect.ValueOfUint64(uint64(v)))
			default:
				m.Set(fd, protoreflect.ValueOfInt64(int64(v)))
			}
		default:
			m.Set(fd, protoreflect.ValueOf(v))
		}
	}
}

// transaction is an update as GetUpdates sends it.
func transaction(offset int64) *dynamicpb.Message {
	return v2("GetUpdatesResponse", fields{"transaction": fields{"offset": offset, "update_id": fmt.Sprint("update-", offset)}})
}

// checkpoint is a checkpoint as GetUpdates sends it.
func checkpoint(offset int64) *dynamicpb.Message {
	return v2("GetUpdatesResponse", fields{"offset_checkpoint": fields{"offset": offset}})
}
