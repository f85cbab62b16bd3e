package ledger

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// source is where one kind of message has its offset.
type source struct {
	// path leads to the offset, by the documented names of the fields. A repeated field on
	// the way stands for each of its elements.
	path string
	// checkpoint reports that the message only has an offset.
	checkpoint bool
	// payload is the repeated field without an element of which the message is a checkpoint.
	payload string
	// recordTime leads to when the ledger recorded it; empty if the message does not say.
	recordTime string
	// id leads to what no other update or completion has; empty if there is nothing.
	id string
}

const (
	apiV1 = "com.daml.ledger.api.v1."
	apiV2 = "com.daml.ledger.api.v2."
)

// The parts that several messages of v2 have.
var (
	transactionV2  = updateV2("transaction")
	reassignmentV2 = updateV2("reassignment")
	topologyV2     = updateV2("topology_transaction")
	completionV2   = source{
		path: "completion.offset", recordTime: "completion.synchronizer_time.record_time", id: "completion.submission_id",
	}
	checkpointV2 = source{
		path: "offset_checkpoint.offset", checkpoint: true,
		recordTime: "offset_checkpoint.synchronizer_times.record_time",
	}
)

func updateV2(field string) source {
	return source{path: field + ".offset", recordTime: field + ".record_time", id: field + ".update_id"}
}

// sources says of each message that a stream of updates or completions has, where its offset is. The
// first source that the message has set counts.
var sources = map[protoreflect.FullName][]source{
	apiV2 + "GetUpdatesResponse":          {transactionV2, reassignmentV2, topologyV2, checkpointV2},
	apiV2 + "CompletionStreamResponse":    {completionV2, checkpointV2},
	apiV2 + "GetCompletionsResponse":      {completionV2, checkpointV2},
	apiV2 + "GetUpdateTreesResponse":      {updateV2("transaction_tree"), reassignmentV2, checkpointV2}, // until Canton 3.4
	apiV1 + "GetTransactionsResponse":     {{path: "transactions.offset", payload: "transactions"}},
	apiV1 + "GetTransactionTreesResponse": {{path: "transactions.offset", payload: "transactions"}},
	apiV1 + "CompletionStreamResponse": {
		{path: "checkpoint.offset.absolute", payload: "completions", recordTime: "checkpoint.record_time"},
	},
}

// position is what a message says of where it is.
type position struct {
	first, last Offset // the same unless the message holds several updates
	checkpoint  bool
	empty       bool // it holds nothing, and says no offset
	recordTime  time.Time
	id          string // empty if it says none
}

// hasCheckpoints reports whether a stream of such messages has checkpoints.
func hasCheckpoints(name protoreflect.FullName) bool {
	for _, s := range sources[name] {
		if s.checkpoint || strings.HasPrefix(s.path, "checkpoint.") {
			return true
		}
	}
	return false
}

// locate reads a message's position by the table.
func locate(m protoreflect.Message) (position, error) {
	name := m.Descriptor().FullName()
	list, known := sources[name]
	if !known {
		return position{}, fmt.Errorf("message %s: it is not known where its offset is; set Options.Position", name)
	}
	for _, s := range list {
		var offsets []Offset
		if err := protopath.Each(m, s.path, func(v protoreflect.Value) error {
			o, err := offsetOf(v)
			if err == nil && o.IsZero() {
				err = fmt.Errorf("%s is not set", s.path)
			}
			offsets = append(offsets, o)
			return err
		}); err != nil {
			return position{}, fmt.Errorf("message %s: %w", name, err)
		}
		empty := s.payload != "" && repeated(m, s.payload) == 0
		if len(offsets) == 0 {
			if empty {
				return position{empty: true, checkpoint: true}, nil
			}
			continue
		}
		for i := range offsets[1:] {
			if offsets[i+1].Compare(offsets[i]) <= 0 {
				return position{}, fmt.Errorf("message %s: %s goes from %s to %s", name, s.path, offsets[i], offsets[i+1])
			}
		}
		return position{
			first: offsets[0], last: offsets[len(offsets)-1], checkpoint: s.checkpoint || empty,
			recordTime: timeAt(m, s.recordTime), id: textAt(m, s.id),
		}, nil
	}
	paths := make([]string, 0, len(list))
	for _, s := range list {
		paths = append(paths, s.path)
	}
	return position{}, fmt.Errorf("message %s has no offset: none of %s is set", name, strings.Join(paths, ", "))
}

// offsetOf reads an offset, which is an int64 in v2 and a text in v1.
func offsetOf(v protoreflect.Value) (Offset, error) {
	switch v := v.Interface().(type) {
	case int64:
		if v < 0 {
			return Offset{}, fmt.Errorf("offset %d: want a number that is not negative", v)
		}
		return At(v), nil
	case string:
		return ParseOffset(v)
	default:
		return Offset{}, fmt.Errorf("an offset of type %T: want int64 or string", v)
	}
}

// repeated returns how many elements a repeated field has.
func repeated(m protoreflect.Message, name string) int {
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if fd == nil || !fd.IsList() {
		return 0
	}
	return m.Get(fd).List().Len()
}

// textAt returns the text that path leads to, "" if it leads nowhere.
func textAt(m protoreflect.Message, path string) string {
	var text string
	for _, s := range textsAt(m, path) {
		text = s
	}
	return text
}

// textsAt returns all texts that path leads to.
func textsAt(m protoreflect.Message, path string) []string {
	var texts []string
	_ = protopath.Each(m, path, func(v protoreflect.Value) error {
		if s, ok := v.Interface().(string); ok {
			texts = append(texts, s)
		}
		return nil
	})
	return texts
}

// offsetAt returns the offset that path leads to, the zero Offset if it leads nowhere.
func offsetAt(m protoreflect.Message, path string) Offset {
	var offset Offset
	_ = protopath.Each(m, path, func(v protoreflect.Value) error {
		if o, err := offsetOf(v); err == nil {
			offset = o
		}
		return nil
	})
	return offset
}

// messageAt returns the message that path leads to, nil if it leads nowhere.
func messageAt(m protoreflect.Message, path string) protoreflect.Message {
	var found protoreflect.Message
	_ = protopath.Each(m, path, func(v protoreflect.Value) error {
		if inner, ok := v.Interface().(protoreflect.Message); ok {
			found = inner
		}
		return nil
	})
	return found
}

// timeAt returns the earliest google.protobuf.Timestamp that path leads to.
func timeAt(m protoreflect.Message, path string) time.Time {
	var earliest time.Time
	if path == "" {
		return earliest
	}
	_ = protopath.Each(m, path, func(v protoreflect.Value) error {
		inner, ok := v.Interface().(protoreflect.Message)
		if !ok || inner.Descriptor().FullName() != "google.protobuf.Timestamp" {
			return nil
		}
		t := time.Unix(numberAt(inner, "seconds"), numberAt(inner, "nanos")).UTC()
		if earliest.IsZero() || t.Before(earliest) {
			earliest = t
		}
		return nil
	})
	return earliest
}

// durationAt returns the google.protobuf.Duration that path leads to, and whether there is one.
func durationAt(m protoreflect.Message, path string) (time.Duration, bool) {
	inner := messageAt(m, path)
	if inner == nil || inner.Descriptor().FullName() != "google.protobuf.Duration" {
		return 0, false
	}
	seconds := min(max(numberAt(inner, "seconds"), -maxSeconds), maxSeconds)
	return time.Duration(seconds)*time.Second + time.Duration(numberAt(inner, "nanos")), true
}

// maxSeconds keeps a duration within what a time.Duration can hold.
const maxSeconds = 1 << 32

// numberAt returns the integer that path leads to, 0 if it leads nowhere.
func numberAt(m protoreflect.Message, path string) int64 {
	var number int64
	_ = protopath.Each(m, path, func(v protoreflect.Value) error {
		switch n := v.Interface().(type) {
		case int64:
			number = n
		case int32:
			number = int64(n)
		case uint64:
			number = int64(min(n, 1<<63-1))
		}
		return nil
	})
	return number
}
