package cantonerr

import (
	"strings"

	"google.golang.org/grpc/codes"
)

// The messages of a passive replica to requests of administrators, which come
// without an id: "Node is passive", and "Command ... sent to passive replica: ...".
const (
	passiveNode      = "Node is passive"
	commandBegins    = "Command "
	commandToPassive = " sent to passive replica"
)

// maxSearched bounds how much of a message is searched, in bytes.
const maxSearched = 256

// PassiveReplica tells whether err is the answer of a replica that is passive, so
// that another one should be asked. UNIMPLEMENTED, with which a passive participant
// answers for services that only the active one runs, is not taken for it: a server
// of another version says the same of a method that it lacks, and would be under
// suspicion for ever.
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
	e, _ := From(err)
	switch e.ID {
	case "NODE_IS_PASSIVE_REPLICA", "SYNC_SERVICE_PASSIVE_REPLICA", "SYNC_SERVICE_BECAME_PASSIVE":
		return true
	default:
		return false
	}
}

// duplicateCommand is the id of a command that has been accepted before.
const duplicateCommand = "DUPLICATE_COMMAND"

// AlreadyDone tells whether err says that the command has been accepted before.
func AlreadyDone(err error) bool {
	s := statusOf(err)
	if s == nil || s.Code() != codes.AlreadyExists {
		return false
	}
	e, _ := From(err)
	return e.ID == duplicateCommand
}
