package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

func TestEachMessageOfTheLedgerAPIHasItsPosition(t *testing.T) {
	at := time.Unix(1700000000, 5000).UTC()
	later := fields{"seconds": 1700000009}
	recorded := fields{"seconds": 1700000000, "nanos": 5000}
	synchronizers := []fields{{"synchronizer_id": "a", "record_time": later}, {"synchronizer_id": "b", "record_time": recorded}}
	text := func(s string) Offset {
		o, err := ParseOffset(s)
		require.NoError(t, err)
		return o
	}
	for name, c := range map[string]struct {
		m    *dynamicpb.Message
		want position
	}{
		"v2 transaction": {
			v2("GetUpdatesResponse", fields{"transaction": fields{"offset": 7, "record_time": recorded}}),
			position{first: At(7), last: At(7), recordTime: at},
		},
		"v2 reassignment": {v2("GetUpdatesResponse", fields{"reassignment": fields{"offset": 7}}), position{first: At(7), last: At(7)}},
		"v2 topology": {
			v2("GetUpdatesResponse", fields{"topology_transaction": fields{"offset": 7, "record_time": recorded}}),
			position{first: At(7), last: At(7), recordTime: at},
		},
		"v2 checkpoint": {
			v2("GetUpdatesResponse", fields{"offset_checkpoint": fields{"offset": 7, "synchronizer_times": synchronizers}}),
			position{first: At(7), last: At(7), checkpoint: true, recordTime: at},
		},
		"v2 tree": {v2("GetUpdateTreesResponse", fields{"transaction_tree": fields{"offset": 7}}), position{first: At(7), last: At(7)}},
		"v2 completion": {
			v2("CompletionStreamResponse", fields{"completion": fields{"offset": 7, "synchronizer_time": fields{"record_time": recorded}}}),
			position{first: At(7), last: At(7), recordTime: at},
		},
		"v2 checkpoint of completions": {
			v2("CompletionStreamResponse", fields{"offset_checkpoint": fields{"offset": 7}}), position{first: At(7), last: At(7), checkpoint: true},
		},
		"GetCompletions": {v2("GetCompletionsResponse", fields{"completion": fields{"offset": 7}}), position{first: At(7), last: At(7)}},
		"GetCompletions, checkpoint": {
			v2("GetCompletionsResponse", fields{"offset_checkpoint": fields{"offset": 7}}), position{first: At(7), last: At(7), checkpoint: true},
		},
		"v1 transactions": {
			v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "0a"}, {"offset": "0b"}, {"offset": "10"}}}),
			position{first: text("0a"), last: text("10")},
		},
		"v1 trees": {
			v1("GetTransactionTreesResponse", fields{"transactions": []fields{{"offset": "0a"}}}), position{first: text("0a"), last: text("0a")},
		},
		"v1 none": {v1("GetTransactionsResponse", nil), position{checkpoint: true, empty: true}},
		"v1 completions": {
			v1("CompletionStreamResponse", fields{
				"checkpoint": fields{"offset": fields{"absolute": "0a"}, "record_time": recorded}, "completions": []fields{{"command_id": "c"}},
			}), position{first: text("0a"), last: text("0a"), recordTime: at},
		},
		"v1 checkpoint": {
			v1("CompletionStreamResponse", fields{"checkpoint": fields{"offset": fields{"absolute": "0a"}}}),
			position{first: text("0a"), last: text("0a"), checkpoint: true},
		},
		"v1 checkpoint without an absolute offset": {
			v1("CompletionStreamResponse", fields{"checkpoint": fields{"offset": fields{"boundary": 1}}}), position{checkpoint: true, empty: true},
		},
	} {
		got, err := locate(c.m)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
}

func TestAnOffsetOfAnotherTypeIsRefused(t *testing.T) {
	m := v2("GetUpdatesRequest", fields{"descending_order": true})
	require.ErrorContains(t, protopath.Each(m, "descending_order", func(v protoreflect.Value) error {
		_, err := offsetOf(v)
		return err
	}), "type bool: want int64 or string")
}

func TestPathsThatLeadNowhereAreEmpty(t *testing.T) {
	m := v2("SubmitRequest", fields{"commands": fields{"command_id": "c", "act_as": []string{"a", "b"}}})
	assert.Equal(t, "c", textAt(m, "commands.command_id"))
	assert.Equal(t, []string{"a", "b"}, textsAt(m, "commands.act_as"))
	assert.Empty(t, textAt(m, "commands.nothing"))
	assert.Empty(t, textAt(m, "nothing.command_id"))
	assert.Empty(t, textAt(m, "commands.command_id.deeper"))
	assert.Nil(t, messageAt(m, "commands.deduplication_duration"))
	assert.Nil(t, messageAt(m, "commands.command_id"))
	assert.True(t, timeAt(m, "").IsZero())
	assert.True(t, timeAt(m, "commands.command_id").IsZero())
	assert.True(t, timeAt(m, "commands").IsZero())
	assert.Zero(t, repeated(m, "nothing"))
	assert.Zero(t, numberAt(m, "commands.command_id"))
	_, ok := durationAt(m, "commands.deduplication_duration")
	assert.False(t, ok)
	assert.Nil(t, protopath.Reflected(3))
	assert.Nil(t, protopath.Reflected(nil))
	assert.Nil(t, protopath.Reflected((*dynamicpb.Message)(nil)))
}

// Whatever a server sends is read, or refused with an error.
func FuzzPosition(f *testing.F) {
	for _, m := range []*dynamicpb.Message{
		transaction(3), checkpoint(3), v1("GetTransactionsResponse", fields{"transactions": []fields{{"offset": "0a"}, {"offset": "0b"}}}),
	} {
		wired, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(wired)
	}
	f.Fuzz(func(t *testing.T, wired []byte) {
		for name := range sources {
			if wire()[name] == nil {
				continue
			}
			m := message(string(name), nil)
			if proto.Unmarshal(wired, m) != nil {
				continue
			}
			at, err := locate(m)
			if err == nil && !at.empty && (at.last.IsZero() || at.first.Compare(at.last) > 0) {
				t.Errorf("%s: %+v", name, at)
			}
			for _, c := range completionsIn(m, at.last) {
				_ = judge(c.err)
			}
			_ = recordTimes(m)
		}
	})
}
