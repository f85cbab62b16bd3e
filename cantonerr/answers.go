package cantonerr

import (
	"strings"

	"google.golang.org/grpc/codes"
)

// Retryable reports whether a node has said of err that the same request may
// succeed later: whether its category is 1, 2, 3 or 12. Wait for Error.RetryDelay,
// or a second if that is 0, longer each time and with jitter. Of category 2 Canton
// says that the application should retry and a load balancer should not, so a
// cantonlb.Client does not. Of 1 and 3 it says that the request may have been
// processed, so a command needs its command id again.
//
// It returns false for an error of which no node has said anything, such as that of
// a lost connection. Judge those by their gRPC codes.
func Retryable(err error) bool {
	e, ok := From(err)
	return ok && e.Category.Retryable()
}

// duplicateCommand is the id of a command that has been accepted before.
const duplicateCommand = "DUPLICATE_COMMAND"

// AlreadyDone reports whether a node has said of err that it has accepted this
// command before (DUPLICATE_COMMAND). To a retry, that is success. If the command
// was not a retry, another command has used its command id.
func AlreadyDone(err error) bool {
	s := statusOf(err)
	if s == nil || s.Code() != codes.AlreadyExists {
		return false
	}
	e, ok := From(err)
	return ok && e.ID == duplicateCommand
}

// The messages of a passive replica to requests of administrators, which come
// without an id: "Node is passive", and "Command ... sent to passive replica: ...".
const (
	passiveNode      = "Node is passive"
	commandBegins    = "Command "
	commandToPassive = " sent to passive replica"
)

// maxSearched bounds how much of a message is searched, in bytes.
const maxSearched = 256

// PassiveReplica reports whether err is the answer of a replica that is passive, so
// that another one should be asked. A cantonlb.Client does so by itself.
//
// UNIMPLEMENTED, with which a passive participant answers for services that only
// the active one runs, does not count: a server of another version says the same of
// a method that it lacks.
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
