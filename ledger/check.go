package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// check looks for mistakes in the arguments, and for the end in the request.
func (s *stream[M]) check() error {
	if s.open == nil {
		return errors.New("open is nil: want a function that opens the stream")
	}
	if s.o.Position == nil && !reflect.TypeFor[M]().Implements(reflect.TypeFor[proto.Message]()) {
		return fmt.Errorf("messages of type %v are no protobuf messages: set Options.Position", reflect.TypeFor[M]())
	}
	request := protopath.Reflected(s.o.Request)
	if request == nil {
		return nil
	}
	if fd := request.Descriptor().Fields().ByName("descending_order"); fd != nil && request.Get(fd).Interface() == true {
		return fmt.Errorf("descending_order is set in %s: want an ascending stream, which can go on after its last offset",
			request.Descriptor().FullName())
	}
	for _, path := range []string{"end_inclusive", "end.absolute"} {
		end := offsetAt(request, path)
		if !end.IsZero() && !s.o.End.IsZero() && end != s.o.End {
			return fmt.Errorf("the end is %s in %s and %s in Options.End: want the same", end, request.Descriptor().FullName(), s.o.End)
		}
		s.o.End = cmp.Or(s.o.End, end)
	}
	if !s.o.End.IsZero() {
		return nil
	}
	return protopath.Each(request, "end.boundary", func(protoreflect.Value) error {
		return fmt.Errorf("the end is a boundary in %s: want an offset, such as that of the ledger end, or none", request.Descriptor().FullName())
	})
}

// mayHaveCheckpoints is false for the streams of v1 that have none, on which silence says nothing.
func (s *stream[M]) mayHaveCheckpoints() bool {
	if s.o.Position != nil {
		return true
	}
	name, known := nameOf[M]()
	return !known || hasCheckpoints(name)
}

// nameOf returns the full name of the messages of a generated type, of which there is none yet.
func nameOf[M any]() (name protoreflect.FullName, known bool) {
	defer func() { // a message by descriptor has no name without a value
		if recover() != nil {
			known = false
		}
	}()
	m, ok := any(*new(M)).(proto.Message)
	if !ok {
		return "", false
	}
	return m.ProtoReflect().Descriptor().FullName(), true
}
