package cantonid

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/rawpb"
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
	return rawpb.Call(ctx, cc, method, nil, maxAnswer)
}

// id returns the string in a field. It returns an error if the string cannot be an
// identity, because it is empty, too long or not printable.
func (a answer) id(field protowire.Number, what string) (string, error) {
	id, err := rawpb.Text(a, field)
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
