package cantonerr

import (
	"strings"

	"google.golang.org/grpc/codes"
)

// Retryable reports whether, according to the node, the same request may succeed later.
// That is so if the category of err is 1, 2, 3 or 12. Before a retry, wait for
// Error.RetryDelay, or one second if that is 0, longer each time and with jitter.
// Canton documents that an application should retry errors of category 2 and that a
// load balancer should not, so a cantonlb.Client does not. After an error of category 1
// or 3 the request may have been processed, so a command must be retried with the same
// command id.
//
// Retryable returns false for an error that does not come from a node, such as that of
// a lost connection. Use the gRPC codes of such errors.
func Retryable(err error) bool {
	e, ok := From(err)
	return ok && e.Category.Retryable()
}

// duplicateCommand is the id of a command that has been accepted before.
const duplicateCommand = "DUPLICATE_COMMAND"

// AlreadyDone reports whether, according to the node, this command was accepted before
// (DUPLICATE_COMMAND). For a retry, that is a success. If the command was not a retry,
// another command has used its command id.
func AlreadyDone(err error) bool {
	s := statusOf(err)
	if s == nil || s.Code() != codes.AlreadyExists {
		return false
	}
	e, ok := From(err)
	return ok && e.ID == duplicateCommand
}

// The messages of a passive replica to administrative requests, which have no id:
// "Node is passive", and "Command ... sent to passive replica: ...".
const (
	passiveNode      = "Node is passive"
	commandBegins    = "Command "
	commandToPassive = " sent to passive replica"
)

// maxSearched bounds how much of a message is searched, in bytes.
const maxSearched = 256

// PassiveReplica reports whether err is the answer of a passive replica, so that the
// request should go to another replica. A cantonlb.Client handles this itself.
//
// UNIMPLEMENTED does not count. A passive participant returns it for services that only
// the active one runs, but a server of another version returns it for a method that it
// does not have.
func PassiveReplica(err error) bool {
	s := statusOf(err)
	if s == nil || s.Code() != codes.Unavailable {
		return false
	}
	message := s.Message()
	message = message[:min(len(message), maxSearched)]
	if strings.HasPrefix(message, passiveNode) ||
		strings.HasPrefix(message, commandBegins) && strings.Contains(message, commandToPassive) {
		return true
	}
	e, ok := From(err)
	if !ok {
		return false
	}
	switch e.ID {
	case "NODE_IS_PASSIVE_REPLICA", "SYNC_SERVICE_PASSIVE_REPLICA", "SYNC_SERVICE_BECAME_PASSIVE":
		return true
	default:
		return false
	}
}
