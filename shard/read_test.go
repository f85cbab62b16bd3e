package shard

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestWhatARequestSays(t *testing.T) {
	const counterparty = `"commands": [{"choice_argument": {"party": "mallory", "inner": [{"party": "mallory", "text": "x"}]}}]`
	for _, x := range []struct {
		name, json string
		want       Request
	}{
		{"SubmitRequest", `{"commands": {"user_id": "u", "act_as": ["b", "a", "b", ""], "read_as": ["c"], ` + counterparty + `}}`,
			Request{Kind: KindSubmission, ActAs: []string{"a", "b"}, Parties: []string{"c"}, User: "u"}},
		{"SubmitRequest", `{"commands": {"party": "a"}}`, Request{Kind: KindSubmission, ActAs: []string{"a"}}},
		{"SubmitRequest", `{}`, Request{Kind: KindSubmission}},
		{"SubmitAndWaitForTransactionRequest", `{"commands": {"act_as": ["a"]},
			"transaction_format": {"event_format": {"filters_by_party": {"b": {}, "a": {}}, "filters_for_any_party": {}}}}`,
			Request{Kind: KindSubmission, ActAs: []string{"a"}, Parties: []string{"a", "b"}}},
		{"SubmitReassignmentRequest", `{"reassignment_commands": {"submitter": "a", "user_id": "u"}}`,
			Request{Kind: KindSubmission, ActAs: []string{"a"}, User: "u"}},
		{apiV1 + "SubmitRequest", `{"commands": {"application_id": "u", "party": "a", "act_as": ["b"]}}`,
			Request{Kind: KindSubmission, ActAs: []string{"a", "b"}}},
		{"interactive.PrepareSubmissionRequest", `{"act_as": ["a"], "read_as": ["b"], "user_id": "u"}`,
			Request{Kind: KindRead, Parties: []string{"a", "b"}, User: "u"}},
		{"interactive.ExecuteSubmissionRequest", `{"user_id": "u", "prepared_transaction": {"metadata": {"submitter_info": {"act_as": ["a"]}}},
			"party_signatures": {"signatures": [{"party": "a"}, {"party": "b"}]}}`,
			Request{Kind: KindNamed, ActAs: []string{"a"}, Parties: []string{"a", "b"}, User: "u"}},
		{"GetUpdatesRequest", `{"update_format": {"include_transactions": {"event_format": {"filters_by_party": {"b": {}, "a": {}}}},
			"include_reassignments": {"filters_by_party": {"c": {}}}}}`, Request{Parties: []string{"a", "b", "c"}}},
		{"GetUpdatesRequest", `{"update_format": {"include_reassignments": {"filters_by_party": {"a": {}}, "filters_for_any_party": {}}}}`,
			Request{Kind: KindLocal, Parties: []string{"a"}}},
		{"GetUpdatesRequest", `{}`, Request{Kind: KindLocal}},
		{"GetUpdatesPageRequest", `{"page_token": "AAAA", "update_format": {"include_reassignments": {"filters_by_party": {"a": {}}}}}`,
			Request{Kind: KindLocal, Parties: []string{"a"}}},
		{"GetUpdatesPageRequest", `{"page_token": "", "update_format": {"include_reassignments": {"filters_by_party": {"a": {}}}}}`,
			Request{Parties: []string{"a"}}},
		{"GetUpdateByIdRequest", `{"update_format": {"include_reassignments": {"filters_by_party": {"a": {}}}}}`,
			Request{Kind: KindRead, Parties: []string{"a"}}},
		{"CompletionStreamRequest", `{"user_id": "u", "parties": ["a"]}`, Request{Parties: []string{"a"}, User: "u"}},
		{apiV1 + "CompletionStreamRequest", `{"application_id": "u", "parties": ["a"]}`, Request{Parties: []string{"a"}}},
		{apiV1 + "GetEventsByContractKeyRequest", `{"requesting_parties": ["a"]}`, Request{Kind: KindRead, Parties: []string{"a"}}},
		{apiV1 + "GetEventsByContractKeyRequest", `{"requesting_parties": ["a"], "continuation_token": "x"}`,
			Request{Kind: KindLocal, Parties: []string{"a"}}},
		{"GetLedgerEndRequest", `{}`, Request{Kind: KindLocal}},
		{"GetLedgerApiVersionRequest", `{}`, Request{Kind: KindAny}},
		{"grpc.health.v1.HealthCheckRequest", `{}`, Request{Kind: KindAny}},
		{"admin.GrantUserRightsRequest", `{"user_id": "u", "rights": [{"can_act_as": {"party": "a"}}, {"can_read_as": {"party": "b"}}, {}]}`,
			Request{Parties: []string{"a", "b"}}},
		{"admin.GrantUserRightsRequest", `{"user_id": "u", "rights": [{}]}`, Request{Kind: KindLocal}},
		{"admin.CreateUserRequest", `{"user": {"id": "u", "primary_party": "a"}}`, Request{Parties: []string{"a"}}},
		{"admin.GetUserRequest", `{"user_id": "u"}`, Request{User: "u"}},
		{"admin.AllocatePartyRequest", `{"party_id_hint": "a"}`, Request{Kind: KindLocal}},
		{"admin.NewAdminRequest", `{"party": "a"}`, Request{Kind: KindLocal}},
		{"GetSomethingNewRequest", `{"parties": ["a"]}`, Request{Kind: KindLocal}},
		{"example.shop.OrderRequest", `{"party": "a"}`, Request{}},
	} {
		x.want.Method = "/m"
		got := Read("/m", message(t, x.name, x.json))
		assert.Equal(t, fmt.Sprintf("%+v", x.want), fmt.Sprintf("%+v", got), "%s %s", x.name, x.json)
	}
}

func TestWhatIsNoMessageSaysNothing(t *testing.T) {
	var none *structpb.Struct
	for _, m := range []any{nil, none, []byte("x"), 7} {
		assert.Equal(t, Request{Method: "/m"}, Read("/m", m))
	}
}

func TestMorePartiesThanMayBeAreRefused(t *testing.T) {
	parties := make([]string, 5000)
	for i := range parties {
		parties[i] = fmt.Sprintf("%q", fmt.Sprint("party", i))
	}
	q := Read("/m", message(t, "CompletionStreamRequest", `{"parties": [`+strings.Join(parties, ",")+`]}`))
	assert.Len(t, q.Parties, maxParties+1, "no more are read")
	require.EqualError(t, q.check(), "shard: /m: parties: 1001 of them: want at most 1000")
	for problem, q := range map[string]Request{
		"party: empty: want an ID":                          {Parties: []string{""}},
		`party: "a b?": want an ID of printable characters`: {ActAs: []string{"a b\x00"}},
		"user: an ID of 1025 bytes: want at most 1024":      {User: strings.Repeat("u", 1025)},
		`kind: "other": want one of the constants of Kind`:  {Kind: "other"},
	} {
		var e *RequestError
		require.ErrorAs(t, q.check(), &e)
		assert.EqualError(t, e, "shard: the request: "+problem)
	}
}

// walked reads the parties of a SubmitRequest as the documentation has them, by another way
// than Read: from the bytes.
func walked(t *testing.T, encoded []byte) (actAs, readAs []string) {
	m := dynamicpb.NewMessage(descriptors[apiV2+"SubmitRequest"])
	require.NoError(t, proto.Unmarshal(encoded, m))
	m.Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		v.Message().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			switch fd.Name() {
			case "act_as", "read_as":
				for i := range v.List().Len() {
					if s := v.List().Get(i).String(); s != "" {
						if fd.Name() == "act_as" {
							actAs = append(actAs, s)
						} else {
							readAs = append(readAs, s)
						}
					}
				}
			case "party":
				actAs = append(actAs, v.String())
			}
			return true
		})
		return true
	})
	slices.Sort(actAs)
	slices.Sort(readAs)
	return slices.Compact(actAs), slices.Compact(readAs)
}

// nested returns a value inside values, so deep.
func nested(depth int) []byte {
	value := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "mallory")
	for range depth {
		value = protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), value)
	}
	return value
}

// decode decodes a message. The protobuf runtime panics on a map entry of a dynamic message
// whose key comes again with another wire type, which happens before Read has the message.
func decode(encoded []byte, m proto.Message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not decoded: %v", r)
		}
	}()
	return proto.Unmarshal(encoded, m)
}

// Messages with unknown fields, with recursive ones and with none that is right are read as
// far as their documented fields go.
func FuzzRead(f *testing.F) {
	commands := []byte(nil)
	for _, x := range []struct {
		field protowire.Number
		text  string
	}{{1, "u"}, {3, "alice"}, {4, "bob"}, {5, "carol"}, {99, "unknown"}} {
		commands = protowire.AppendString(protowire.AppendTag(commands, x.field, protowire.BytesType), x.text)
	}
	inner := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nested(50))
	commands = protowire.AppendBytes(protowire.AppendTag(commands, 6, protowire.BytesType), inner)
	request := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), commands)
	f.Add(request)
	f.Add(append(request, request...))
	f.Add(append(slices.Clone(request), 0x9b, 0x06, 0x9c, 0x06)) // an unknown group
	f.Add([]byte{0x0a, 2, 0x1a, 0})
	f.Add([]byte{})
	names := make([]string, 0, len(descriptors))
	for name := range descriptors {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, encoded []byte) {
		for _, name := range names {
			m := dynamicpb.NewMessage(descriptors[name])
			if decode(encoded, m) != nil {
				continue
			}
			q := Read("/m", m)
			assert.LessOrEqual(t, len(q.ActAs)+len(q.Parties), 2*(maxParties+1))
			assert.NotContains(t, q.ActAs, "")
			if err := q.check(); err != nil {
				assert.LessOrEqual(t, len(err.Error()), 1000)
			}
			if name == apiV2+"SubmitRequest" && len(encoded) < maxParties {
				actAs, readAs := walked(t, encoded)
				assert.ElementsMatch(t, actAs, q.ActAs)
				assert.ElementsMatch(t, readAs, q.Parties)
				assert.Equal(t, KindSubmission, q.Kind)
			}
		}
	})
}
