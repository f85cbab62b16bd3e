package cantonlb

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

// outcome is how a hedge ended, with what its call options have received.
type outcome struct {
	err             error
	reply           any
	header, trailer metadata.MD
	peer            peer.Peer
}

// adopt passes the outcome to the caller, whose own attempts have returned.
func (o *outcome) adopt(reply any, opts []grpc.CallOption) {
	for _, option := range opts {
		switch option := option.(type) {
		case grpc.HeaderCallOption:
			*option.HeaderAddr = o.header
		case grpc.TrailerCallOption:
			*option.TrailerAddr = o.trailer
		case grpc.PeerCallOption:
			*option.PeerAddr = o.peer
		}
	}
	if o.err == nil {
		into := messageOf(reply)
		proto.Reset(into)
		proto.Merge(into, messageOf(o.reply))
	}
}

// messageOf returns a reply as a proto message, or nil if it is none.
func messageOf(reply any) proto.Message {
	switch m := reply.(type) {
	case proto.Message:
		return m
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(m)
	default:
		return nil
	}
}

// replyKind is the type of a reply that is a proto message. It is found out before the
// first attempt, which may write the reply at any time.
type replyKind struct {
	protoreflect.MessageType

	v1 bool // the older API of Go's proto messages
}

// kindOf returns the kind of a reply. ok is false if it is no proto message, or if
// another message of its kind would lack what only the reply's own type has.
func kindOf(reply any) (kind replyKind, ok bool) {
	_, v2 := reply.(proto.Message)
	if old, v1 := reply.(protoadapt.MessageV1); v1 && !v2 && !copies(old) {
		return replyKind{}, false
	}
	m := messageOf(reply)
	if m == nil || !m.ProtoReflect().IsValid() {
		return replyKind{}, false
	}
	if v2 && reflect.TypeOf(m.ProtoReflect().Interface()) != reflect.TypeOf(reply) { // it embeds a message
		return replyKind{}, false
	}
	return replyKind{m.ProtoReflect().Type(), !v2}, true
}

// copies reports whether proto.Merge copies all of a message of the older API: by the
// message's own methods, or because all fields of its struct are those of a message. Any
// type may have the methods of that API, such as a frame that a codec fills.
func copies(m protoadapt.MessageV1) bool {
	switch m.(type) {
	case interface {
		Merge(src protoadapt.MessageV1)
	}:
		return true
	case interface {
		Marshal() ([]byte, error)
		Unmarshal(data []byte) error
	}:
		return true
	}
	t := reflect.TypeOf(m)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return false
	}
	for i := range t.Elem().NumField() {
		f := t.Elem().Field(i)
		_, plain := f.Tag.Lookup("protobuf")
		_, oneof := f.Tag.Lookup("protobuf_oneof")
		if !plain && !oneof && !strings.HasPrefix(f.Name, "XXX_") {
			return false
		}
	}
	return true
}

// empty returns a new message.
func (k replyKind) empty() any {
	m := k.New().Interface()
	if k.v1 {
		return protoadapt.MessageV1Of(m)
	}
	return m
}

// skips are the methods that are not hedged because of the types of their replies. It is
// safe for concurrent use.
type skips struct {
	mu      sync.Mutex
	methods map[string]string // the type of the reply
}

// mostSkips bounds how many methods are named.
const mostSkips = 10

func (s *skips) note(method string, reply any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.methods == nil {
		s.methods = make(map[string]string)
	}
	if len(s.methods) < mostSkips {
		s.methods[method] = fmt.Sprintf("%T", reply)
	}
}

// notes returns the notes of the status about hedges.
func (r *rescuer) notes() []string {
	var notes []string
	if r.idleHedge {
		notes = append(notes, "hedge has no effect with active_passive: a standby gets no calls")
	}
	r.skipped.mu.Lock()
	defer r.skipped.mu.Unlock()
	for _, method := range slices.Sorted(maps.Keys(r.skipped.methods)) {
		notes = append(notes, fmt.Sprintf("calls of %s are not hedged: a reply of type %s is no proto message",
			cleantext.Detail(method), r.skipped.methods[method]))
	}
	return notes
}
