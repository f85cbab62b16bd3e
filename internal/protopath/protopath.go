// Package protopath reads fields of protobuf messages by their documented names.
//
// # Why
//
// A program may link any of several generated copies of Canton's APIs, or messages that it
// has made of descriptors. Packages of this module link none of them, and therefore find
// fields by reflection.
//
// # Defaults
//
// A path is names with dots between them. A message on the way that is not set leads
// nowhere, and so does a field that this copy of the API does not have. A repeated field
// stands for each of its elements. A map at the end of a path stands for its keys; on the
// way it leads nowhere.
package protopath

import (
	"reflect"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Each calls f with each value that path leads to from m, until f returns an error.
func Each(m protoreflect.Message, path string, f func(protoreflect.Value) error) error {
	name, rest, more := strings.Cut(path, ".")
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if fd == nil || more && fd.Message() == nil {
		return nil
	}
	visit := func(v protoreflect.Value) error {
		if more {
			return Each(v.Message(), rest, f)
		}
		return f(v)
	}
	switch {
	case fd.IsList():
		list := m.Get(fd).List()
		for i := range list.Len() {
			if err := visit(list.Get(i)); err != nil {
				return err
			}
		}
		return nil
	case fd.IsMap():
		if more {
			return nil
		}
		var err error
		m.Get(fd).Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			err = f(k.Value())
			return err == nil
		})
		return err
	case fd.HasPresence() && !m.Has(fd):
		return nil
	}
	return visit(m.Get(fd))
}

// Reflected returns what can be read of a message, nil if it is none or nil.
func Reflected(msg any) protoreflect.Message {
	if IsNil(msg) {
		return nil
	}
	switch m := msg.(type) {
	case proto.Message:
		return m.ProtoReflect()
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(m).ProtoReflect()
	default:
		return nil
	}
}

// IsNil reports whether v is nil or holds a nil pointer, such as of a generated message.
func IsNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		return r.IsNil()
	default:
		return false
	}
}
