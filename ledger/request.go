package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/protopath"
)

// ChangeID identifies a command to a participant: of several submissions with the same
// one, the participant executes at most one within the deduplication period.
type ChangeID struct {
	// UserID is the user that submits. Empty means the user of the token.
	UserID string
	// ActAs are the parties on whose behalf the user submits, sorted and without
	// repetition.
	ActAs []string
	// CommandID is the caller's name for the command.
	CommandID string
}

// String returns the three parts.
func (id ChangeID) String() string {
	return fmt.Sprintf("command %.100q of user %.100q for %.200q", id.CommandID, id.UserID, strings.Join(id.ActAs, ", "))
}

// Pending is what is needed to determine the outcome of a submission later, perhaps in
// another process. All of it is known before the first attempt.
type Pending struct {
	ChangeID ChangeID
	// After is an offset from before the first attempt: the completion comes after it.
	After Offset
	// MaxRecordTime is the time after which the ledger no longer accepts the command.
	// Zero if there is none; the result of Recover can then never be Lost.
	MaxRecordTime time.Time
	// Synchronizer is the ID of the synchronizer whose time counts. If it is empty,
	// each synchronizer that the participant is connected to must be past
	// MaxRecordTime.
	Synchronizer string
	// SubmissionID is that of a reassignment. It distinguishes the reassignment from
	// others with the same change ID, since a participant executes them all. Empty for
	// a command.
	SubmissionID string
}

// RequestError is the error of a submission that was not made, because its request or
// the Submitter is incomplete.
type RequestError struct {
	// Field is the name of the field. Problem is what is wrong with it and what would
	// be right.
	Field, Problem string
}

// Error returns the field and the problem.
func (e *RequestError) Error() string { return fmt.Sprintf("ledger: %s: %s", e.Field, e.Problem) }

// shape is where a kind of request has what matters here.
type shape struct {
	user, command, submission string
	actAs                     []string // the first that is set counts, together with the others
	deduplication             []string // durations
	maxRecordTime             string   // in microseconds
	synchronizer              string
	// accepts reports that the reply only says that the request was accepted.
	accepts bool
	// reassignment reports that the node does not deduplicate the request.
	reassignment bool
}

// The shapes of requests. The first argument is whether the reply only accepts.
func commandShape(accepts bool) shape {
	return shape{
		user: "commands.user_id", command: "commands.command_id", submission: "commands.submission_id",
		actAs: []string{"commands.act_as"}, deduplication: []string{"commands.deduplication_duration"}, accepts: accepts,
	}
}

func commandShapeV1(accepts bool) shape {
	return shape{
		user: "commands.application_id", command: "commands.command_id", submission: "commands.submission_id",
		actAs:         []string{"commands.act_as", "commands.party"},
		deduplication: []string{"commands.deduplication_duration", "commands.deduplication_time"}, accepts: accepts,
	}
}

func preparedShape(accepts bool) shape {
	const metadata = "prepared_transaction.metadata."
	return shape{
		user: "user_id", command: metadata + "submitter_info.command_id", submission: "submission_id",
		actAs: []string{metadata + "submitter_info.act_as"}, deduplication: []string{"deduplication_duration"},
		maxRecordTime: metadata + "max_record_time", synchronizer: metadata + "synchronizer_id", accepts: accepts,
	}
}

func reassignmentShape(accepts bool) shape {
	const commands = "reassignment_commands."
	return shape{
		user: commands + "user_id", command: commands + "command_id", submission: commands + "submission_id",
		actAs: []string{commands + "submitter"}, accepts: accepts, reassignment: true,
	}
}

// shapes holds the shape of each request that submits something.
var shapes = map[protoreflect.FullName]shape{
	apiV2 + "SubmitRequest":                                             commandShape(true),
	apiV2 + "SubmitAndWaitRequest":                                      commandShape(false),
	apiV2 + "SubmitAndWaitForTransactionRequest":                        commandShape(false),
	apiV2 + "SubmitReassignmentRequest":                                 reassignmentShape(true),
	apiV2 + "SubmitAndWaitForReassignmentRequest":                       reassignmentShape(false),
	apiV2 + "interactive.ExecuteSubmissionRequest":                      preparedShape(true),
	apiV2 + "interactive.ExecuteSubmissionAndWaitRequest":               preparedShape(false),
	apiV2 + "interactive.ExecuteSubmissionAndWaitForTransactionRequest": preparedShape(false),
	apiV1 + "SubmitRequest":                                             commandShapeV1(true),
	apiV1 + "SubmitAndWaitRequest":                                      commandShapeV1(false),
}

// PendingOf returns what must be stored about a request before it is submitted, so
// that [Recover] can determine its outcome after a crash. after is the result of
// [Submitter.After].
func PendingOf(request proto.Message, after Offset) (Pending, error) {
	p, _, err := pendingOf(request)
	p.After = after
	return p, err
}

// pendingOf reads a request.
func pendingOf(request proto.Message) (Pending, shape, error) {
	m := protopath.Reflected(request)
	if m == nil {
		return Pending{}, shape{}, &RequestError{"request", "is nil: want a message"}
	}
	s, known := shapes[m.Descriptor().FullName()]
	if !known {
		return Pending{}, shape{}, &RequestError{"request", fmt.Sprintf("message %s submits nothing that is known", m.Descriptor().FullName())}
	}
	id := ChangeID{UserID: textAt(m, s.user), CommandID: textAt(m, s.command)}
	for _, path := range s.actAs {
		for _, party := range textsAt(m, path) {
			if party != "" {
				id.ActAs = append(id.ActAs, party)
			}
		}
	}
	slices.Sort(id.ActAs)
	id.ActAs = slices.Compact(id.ActAs)
	p := Pending{ChangeID: id}
	if s.maxRecordTime != "" {
		if micros := numberAt(m, s.maxRecordTime); micros > 0 {
			p.MaxRecordTime = time.UnixMicro(micros).UTC()
		}
		p.Synchronizer = textAt(m, s.synchronizer)
	}
	switch {
	case id.CommandID == "":
		return p, s, &RequestError{s.command, "is empty: want an ID that the caller keeps, " +
			"since a retry under another one, or under one that the node makes up, is a second command"}
	case len(id.ActAs) == 0:
		return p, s, &RequestError{s.actAs[0], "is empty: want the parties on whose behalf, which are part of the change ID"}
	}
	return p, s, nil
}

// window returns for how long a request may be submitted again, from the first
// attempt: a tenth less than the deduplication period, to allow for clocks of
// different rates. It returns false if the period is the node's maximum.
func (s shape) window(request protoreflect.Message) (time.Duration, bool) {
	for _, path := range s.deduplication {
		if d, set := durationAt(request, path); set {
			return d - d/10, true
		}
	}
	return 0, false
}

// setText sets the text that path leads to, if the message has such a field.
func setText(m protoreflect.Message, path, text string) {
	name, rest, more := strings.Cut(path, ".")
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	switch {
	case fd == nil || fd.IsList() || fd.IsMap():
	case more && fd.Message() != nil:
		setText(m.Mutable(fd).Message(), rest, text)
	case !more && fd.Kind() == protoreflect.StringKind:
		m.Set(fd, protoreflect.ValueOfString(text))
	}
}
