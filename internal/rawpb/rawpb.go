// Package rawpb calls gRPC methods with encoded protobuf messages, and reads their answers
// field by field.
//
// # Why
//
// A program may link any of several generated copies of Canton's APIs, but not two of
// them: the second one panics, since its names are already registered. Packages of this
// module that call a node on their own therefore link no copy, and encode the few messages
// that they need by hand.
//
// # Defaults
//
// Nothing is registered, neither a message nor a codec. All functions are safe for
// concurrent use.
package rawpb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/encoding/protowire"
)

// Call calls a unary method with an encoded request, and returns the encoded reply, which
// has at most most bytes.
func Call(ctx context.Context, cc grpc.ClientConnInterface, method string, request []byte, most int, opts ...grpc.CallOption) ([]byte, error) {
	var reply []byte
	opts = append(slices.Clip(opts), grpc.ForceCodec(Codec{}), grpc.MaxCallRecvMsgSize(most))
	err := cc.Invoke(ctx, method, request, &reply, opts...)
	return reply, err
}

// Codec passes encoded messages through unchanged: a []byte is sent, and a *[]byte
// receives.
type Codec struct{}

var _ encoding.Codec = Codec{}

// Marshal returns a []byte.
func (Codec) Marshal(v any) ([]byte, error) {
	message, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("cannot encode a %T", v)
	}
	return message, nil
}

// Unmarshal copies the message into a *[]byte.
func (Codec) Unmarshal(data []byte, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot decode into a %T", v)
	}
	*message = append([]byte(nil), data...) // grpc owns data
	return nil
}

// Name returns the name of the encoding on the wire.
func (Codec) Name() string { return "proto" }

var (
	errNoText    = errors.New("a string is not UTF-8")
	errBadNumber = errors.New("a field has a number that is too great")
)

// Field is one field of an encoded message. Bytes is set for strings, bytes and messages,
// and Number for varints.
type Field struct {
	ID     protowire.Number
	Type   protowire.Type
	Bytes  []byte
	Number uint64
}

// Each calls f with each field of a message, in order, until f returns an error. Other
// types of fields than Field describes are passed without a value.
func Each(message []byte, f func(Field) error) error {
	for rest := message; len(rest) > 0; {
		id, kind, n := protowire.ConsumeTag(rest)
		switch {
		case n < 0:
			return protowire.ParseError(n)
		case id > protowire.MaxValidNumber:
			return errBadNumber
		}
		rest = rest[n:]
		field := Field{ID: id, Type: kind}
		switch kind {
		case protowire.BytesType:
			field.Bytes, n = protowire.ConsumeBytes(rest)
		case protowire.VarintType:
			field.Number, n = protowire.ConsumeVarint(rest)
		default:
			n = protowire.ConsumeFieldValue(id, kind, rest)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		rest = rest[n:]
		if err := f(field); err != nil {
			return err
		}
	}
	return nil
}

// Text returns the string of a field of type bytes, which must be UTF-8.
func (f Field) Text() (string, error) {
	if !utf8.Valid(f.Bytes) {
		return "", errNoText
	}
	return string(f.Bytes), nil
}

// Text returns the string in a field of a message, or "" if there is none. If there are
// several, it returns the last, as proto3 requires. Other fields are skipped.
func Text(message []byte, id protowire.Number) (text string, err error) {
	err = Each(message, func(f Field) error {
		if f.ID != id || f.Type != protowire.BytesType {
			return nil
		}
		var err error
		text, err = f.Text()
		return err
	})
	if err != nil {
		return "", err
	}
	return text, nil
}

// AppendText appends a string field to an encoded message, unless it is empty.
func AppendText(message []byte, id protowire.Number, text string) []byte {
	if text == "" {
		return message
	}
	return protowire.AppendString(protowire.AppendTag(message, id, protowire.BytesType), text)
}

// AppendNumber appends a varint field to an encoded message, unless it is zero.
func AppendNumber(message []byte, id protowire.Number, n uint64) []byte {
	if n == 0 {
		return message
	}
	return protowire.AppendVarint(protowire.AppendTag(message, id, protowire.VarintType), n)
}
