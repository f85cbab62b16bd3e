package cantonid

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cantonlb/cantonlb/internal/cleantext"
)

const (
	// maxAnswer bounds an answer, in bytes, and maxID an id in it.
	maxAnswer = 16 << 10
	maxID     = 1 << 10
)

// answer is an encoded message.
type answer []byte

// ask calls a method with an empty message.
func ask(ctx context.Context, cc grpc.ClientConnInterface, method string) (answer, error) {
	var reply []byte
	err := cc.Invoke(ctx, method, []byte(nil), &reply, grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(maxAnswer))
	return reply, err
}

// rawCodec passes encoded messages through unchanged.
type rawCodec struct{}

var _ encoding.Codec = rawCodec{}

func (rawCodec) Marshal(v any) ([]byte, error) {
	message, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("cannot encode a %T", v)
	}
	return message, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot decode into a %T", v)
	}
	*message = append([]byte(nil), data...) // grpc owns data
	return nil
}

// Name returns the name of the encoding on the wire.
func (rawCodec) Name() string { return "proto" }

// id returns the string in a field. It returns an error if the string cannot be an
// identity, because it is empty, too long or not printable.
func (a answer) id(field protowire.Number, what string) (string, error) {
	id, err := a.text(field)
	switch {
	case err != nil:
		return "", fmt.Errorf("the answer cannot be decoded: %w", err)
	case id == "":
		return "", fmt.Errorf("the answer has no %s", what)
	case len(id) > maxID:
		return "", fmt.Errorf("the answer has a %s of %d bytes; want at most %d", what, len(id), maxID)
	case !cleantext.Printable(id):
		return "", fmt.Errorf("the answer has a %s with a character that cannot be printed", what)
	}
	return id, nil
}

var (
	errNoText    = errors.New("a string is not UTF-8")
	errBadNumber = errors.New("a field has a number that is too great")
)

// text returns the string in a field, or "" if there is none. If there are several, it
// returns the last, as proto3 requires. Other fields are skipped.
func (a answer) text(field protowire.Number) (string, error) {
	var text string
	for rest := []byte(a); len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		switch {
		case n < 0:
			return "", protowire.ParseError(n)
		case number > protowire.MaxValidNumber:
			return "", errBadNumber
		}
		rest = rest[n:]
		if number != field || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, rest); n < 0 {
				return "", protowire.ParseError(n)
			}
			rest = rest[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(rest)
		switch {
		case n < 0:
			return "", protowire.ParseError(n)
		case !utf8.Valid(value):
			return "", errNoText
		}
		text, rest = string(value), rest[n:]
	}
	return text, nil
}
