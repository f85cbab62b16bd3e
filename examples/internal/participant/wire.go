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

// checkpointDelay is the longest delay of a checkpoint. This server sends none,
// since every offset is an update.
const checkpointDelay = 75 * time.Second

// registerWire serves the Ledger API v2.
func registerWire(server *grpc.Server, l *ledger, service Service) {
	v2.RegisterCommandServiceServer(server, &commandService{ledger: l})
	v2.RegisterCommandCompletionServiceServer(server, &completionService{ledger: l})
	v2.RegisterUpdateServiceServer(server, &updateService{ledger: l})
	v2.RegisterStateServiceServer(server, &stateService{ledger: l, service: service})
	v2.RegisterVersionServiceServer(server, &versionService{})
	admin.RegisterPartyManagementServiceServer(server, &partyService{service: service})
}

// changeID returns the ID by which the store distinguishes commands.
func changeID(c *v2.Commands) string {
	parties := slices.Sorted(slices.Values(c.GetActAs()))
	return strings.Join(append([]string{c.GetUserId()}, append(parties, c.GetCommandId())...), "|")
}

// partsOf is the inverse of changeID.
func partsOf(changeID string) (user string, actAs []string, command string) {
	parts := strings.Split(changeID, "|")
	return parts[0], parts[1 : len(parts)-1], parts[len(parts)-1]
}

func updateID(offset int64) string { return fmt.Sprint("update-", offset) }

type commandService struct {
	v2.UnimplementedCommandServiceServer

	ledger *ledger
}

// SubmitAndWait implements the service. An accepted command is executed even if the
// caller has disconnected meanwhile.
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

	ledger  *ledger
	service Service
}

// GetConnectedSynchronizers implements the service. The participant may submit for the
// parties that it hosts.
func (s *stateService) GetConnectedSynchronizers(
	_ context.Context, request *v2.GetConnectedSynchronizersRequest,
) (*v2.GetConnectedSynchronizersResponse, error) {
	if p := request.GetParty(); p != "" && !slices.Contains(s.service.Parties, p) {
		return &v2.GetConnectedSynchronizersResponse{}, nil
	}
	return &v2.GetConnectedSynchronizersResponse{ConnectedSynchronizers: []*v2.GetConnectedSynchronizersResponse_ConnectedSynchronizer{{
		SynchronizerAlias: "global", SynchronizerId: "global::1220demo", Permission: v2.ParticipantPermission_PARTICIPANT_PERMISSION_SUBMISSION,
	}}}, nil
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

	service Service
}

// GetParties implements the service. Every party is known, as all participants of a
// synchronizer know them, and only those that the participant hosts are local.
func (s *partyService) GetParties(_ context.Context, request *admin.GetPartiesRequest) (*admin.GetPartiesResponse, error) {
	reply := new(admin.GetPartiesResponse)
	for _, p := range request.GetParties() {
		reply.PartyDetails = append(reply.PartyDetails, &admin.PartyDetails{Party: p, IsLocal: slices.Contains(s.service.Parties, p)})
	}
	return reply, nil
}

// ListKnownParties implements the service, in one page.
func (s *partyService) ListKnownParties(context.Context, *admin.ListKnownPartiesRequest) (*admin.ListKnownPartiesResponse, error) {
	reply := new(admin.ListKnownPartiesResponse)
	for _, p := range s.service.Parties {
		reply.PartyDetails = append(reply.PartyDetails, &admin.PartyDetails{Party: p, IsLocal: true})
	}
	return reply, nil
}

// GetParticipantId implements the service.
//
//nolint:staticcheck // as generated
func (s *partyService) GetParticipantId(context.Context, *admin.GetParticipantIdRequest) (*admin.GetParticipantIdResponse, error) {
	return &admin.GetParticipantIdResponse{ParticipantId: s.service.ID}, nil
}
