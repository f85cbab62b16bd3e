package ledger

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/cantonerr"
)

// nodeError is what a Canton node has said about an error; the zero value if no node has.
type nodeError = cantonerr.Error

// nodeErrorOf reads what a node has said about err.
func nodeErrorOf(err error) nodeError {
	e, _ := cantonerr.From(err)
	return e
}

// isPassive reports whether err is how a passive replica refuses.
func isPassive(err error) bool { return cantonerr.PassiveReplica(err) }

// codeOf returns the code of the gRPC status that err is or wraps, and codes.Unknown for another
// error.
func codeOf(err error) codes.Code {
	var s interface {
		error
		GRPCStatus() *status.Status
	}
	if errors.As(err, &s) {
		return s.GRPCStatus().Code()
	}
	return codes.Unknown
}
