package cantonerr_test

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/cantonerr"
)

// What to do after a command has failed.
func Example() {
	for _, err := range []error{
		status.Error(codes.AlreadyExists, "DUPLICATE_COMMAND(10,0): A command with the given command id has already been processed."),
		status.Error(codes.Aborted, "PARTICIPANT_BACKPRESSURE(2,1a2b3c4d): The participant is overloaded."),
		status.Error(codes.NotFound, "PACKAGE_NOT_FOUND(11,5e6f7a8b): Could not find package."),
	} {
		said, ok := cantonerr.From(err)
		switch {
		case cantonerr.AlreadyDone(err):
			fmt.Println("accepted before: a success")
		case cantonerr.Retryable(err):
			fmt.Println("again in", max(said.RetryDelay, time.Second), "with the same command id")
		case ok:
			fmt.Println("failed:", said.ID, "correlation id", said.CorrelationID)
		default:
			fmt.Println("failed, and no node has said why:", err)
		}
	}
	// Output:
	// accepted before: a success
	// again in 1s with the same command id
	// failed: PACKAGE_NOT_FOUND correlation id 5e6f7a8b
}
