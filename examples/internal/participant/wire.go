package participant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v2 "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2"
	admin "github.com/digital-asset/dazl-client/v8/go/api/com/daml/ledger/api/v2/admin"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// checkpointDelay is how late a checkpoint may be here, which sends none: every offset is an update.
const checkpointDelay = 75 * time.Second

// registerWire serves the Ledger API v2.
func registerWire(server *grpc.Server, l *ledger) {
	v2.RegisterCommandServiceServer(server, &commandService{ledger: l})
	v2.RegisterCommandCompletionServiceServer(server, &completionService{ledger: l})
	v2.RegisterUpdateServiceServer(server, &updateService{ledger: l})
	v2.RegisterStateServiceServer(server, &stateService{ledger: l})
	v2.RegisterVersionServiceServer(server, &versionService{})
	admin.RegisterPartyManagementServiceServer(server, &partyService{})
}

// changeID is what the store tells commands apart by.
func changeID(c *v2.Commands) string {
	parties := slices.Sorted(slices.Values(c.GetActAs()))
	return strings.Join(append([]string{c.GetUserId()}, append(parties, c.GetCommandId())...), "|")
}

// partsOf undoes it.
func partsOf(changeID string) (user string, actAs []string, command string) {
	parts := strings.Split(changeID, "|")
	return parts[0], parts[1 : len(parts)-1], parts[len(parts)-1]
}

func updateID(offset int64) string { return fmt.Sprint("update-", offset) }

type commandService struct {
	v2.UnimplementedCommandServiceServer

	ledger *ledger
}

// SubmitAndWait implements the service. A command that has been accepted is carried out even if the
// caller has hung up meanwhile.
func (s *commandService) SubmitAndWait(ctx context.Context, request *v2.SubmitAndWaitRequest) (*v2.SubmitAndWaitResponse, error) {
	commands := request.GetCommands()
	if commands.GetCommandId() == "" || len(commands.GetActAs()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "MISSING_FIELD(8,0): command_id and act_as are required")
	}
	ctx = context.WithoutCancel(ctx)
	id := changeID(commands)
	offset, err := s.ledger.session.Append(ctx, Update{
		CommandID: id, Text: commands.GetWorkflowId(), Writer: s.ledger.name, SubmissionID: commands.GetSubmissionId(),
	})
	switch {
	case errors.Is(err, ErrDuplicate):
		return nil, s.duplicate(ctx, id)
	case err != nil:
		return nil, s.ledger.refuse()
	}
	return &v2.SubmitAndWaitResponse{UpdateId: updateID(offset), CompletionOffset: offset}, nil
}

// duplicate is the error of a command that has been accepted before.
func (s *commandService) duplicate(ctx context.Context, id string) error {
	u, err := s.ledger.session.Find(ctx, id)
	if err != nil {
		return s.ledger.refuse()
	}
	said, err := status.New(codes.AlreadyExists, "DUPLICATE_COMMAND(10,0): "+ErrDuplicate.Error()).WithDetails(&errdetails.ErrorInfo{
		Reason: "DUPLICATE_COMMAND", Metadata: map[string]string{
			"category": "10", "completion_offset": fmt.Sprint(u.Offset), "existing_submission_id": u.SubmissionID,
		},
	})
	if err != nil {
		return err
	}
	return said.Err()
}

type completionService struct {
	v2.UnimplementedCommandCompletionServiceServer

	ledger *ledger
}

// CompletionStream implements the service.
func (s *completionService) CompletionStream(
	request *v2.CompletionStreamRequest, stream grpc.ServerStreamingServer[v2.CompletionStreamResponse],
) error {
	return s.ledger.follow(stream.Context(), request.GetBeginExclusive(), func(u Update) error {
		user, actAs, command := partsOf(u.CommandID)
		return stream.Send(&v2.CompletionStreamResponse{CompletionResponse: &v2.CompletionStreamResponse_Completion{Completion: &v2.Completion{
			CommandId: command, UserId: user, ActAs: actAs, SubmissionId: u.SubmissionID, UpdateId: updateID(u.Offset), Offset: u.Offset,
		}}})
	})
}

type updateService struct {
	v2.UnimplementedUpdateServiceServer

	ledger *ledger
}

// GetUpdates implements the service.
func (s *updateService) GetUpdates(request *v2.GetUpdatesRequest, stream grpc.ServerStreamingServer[v2.GetUpdatesResponse]) error {
	return s.ledger.follow(stream.Context(), request.GetBeginExclusive(), func(u Update) error {
		_, _, command := partsOf(u.CommandID)
		return stream.Send(&v2.GetUpdatesResponse{Update: &v2.GetUpdatesResponse_Transaction{Transaction: &v2.Transaction{
			UpdateId: updateID(u.Offset), CommandId: command, WorkflowId: u.Text, Offset: u.Offset,
		}}})
	})
}

type stateService struct {
	v2.UnimplementedStateServiceServer

	ledger *ledger
}

// GetLedgerEnd implements the service.
func (s *stateService) GetLedgerEnd(ctx context.Context, _ *v2.GetLedgerEndRequest) (*v2.GetLedgerEndResponse, error) {
	end, err := s.ledger.session.End(ctx)
	if err != nil {
		return nil, s.ledger.refuse()
	}
	return &v2.GetLedgerEndResponse{Offset: end}, nil
}

type versionService struct {
	v2.UnimplementedVersionServiceServer
}

// GetLedgerApiVersion implements the service.
//
//nolint:staticcheck // as generated
func (*versionService) GetLedgerApiVersion(context.Context, *v2.GetLedgerApiVersionRequest) (*v2.GetLedgerApiVersionResponse, error) {
	return &v2.GetLedgerApiVersionResponse{Version: "3.4.0", Features: &v2.FeaturesDescriptor{
		OffsetCheckpoint: &v2.OffsetCheckpointFeature{MaxOffsetCheckpointEmissionDelay: durationpb.New(checkpointDelay)},
	}}, nil
}

type partyService struct {
	admin.UnimplementedPartyManagementServiceServer
}

// GetParticipantId implements the service.
//
//nolint:staticcheck // as generated
func (*partyService) GetParticipantId(context.Context, *admin.GetParticipantIdRequest) (*admin.GetParticipantIdResponse, error) {
	return &admin.GetParticipantIdResponse{ParticipantId: "participant::1220demo"}, nil
}
