package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/rawpb"
)

// The services that are asked, and their versions: "v2", or "v1" where there is no v2.
const (
	stateService = "/com.daml.ledger.api.v2.StateService/"
	partyService = "/com.daml.ledger.api.%s.admin.PartyManagementService/"
	userService  = "/com.daml.ledger.api.%s.admin.UserManagementService/"
)

// The bounds of answers.
const (
	maxAnswer = 64 << 10 // of one party or user, in bytes
	maxPage   = 8 << 20  // of a list
	pageSize  = 1000
	maxPages  = 10_000
	maxRights = 100 // parties of one user that are kept
)

// source asks one shard. Its methods return an error if there is no answer.
type source struct {
	conn grpc.ClientConnInterface
	opts []grpc.CallOption
	idp  string
}

func (m *member) source() source {
	s := source{conn: m.Discovery, idp: m.IdentityProvider}
	if m.Credentials != nil {
		s.opts = append(s.opts, grpc.PerRPCCredentials(m.Credentials))
	}
	return s
}

// call calls a method of the Ledger API.
func (s source) call(ctx context.Context, method string, request []byte, most int) ([]byte, error) {
	return rawpb.Call(ctx, s.conn, method, request, most, s.opts...)
}

// admin calls a method of an admin service, of v1 if there is no v2. The messages of both
// that are used here are the same.
func (s source) admin(ctx context.Context, service, method string, request []byte, most int) ([]byte, error) {
	reply, err := s.call(ctx, fmt.Sprintf(service, "v2")+method, request, most)
	if status.Code(err) == codes.Unimplemented {
		reply, err = s.call(ctx, fmt.Sprintf(service, "v1")+method, request, most)
	}
	return reply, err
}

// party returns where a party stands. GetConnectedSynchronizers says it with the party's
// own rights, and with the permission. A participant that is not connected to any of the
// party's synchronizers at the moment does not say that it hosts the party, so an answer
// that it does not is confirmed by GetParties. If that one says that it does, the party may
// have come between the two, so GetConnectedSynchronizers is asked for its permission again.
func (s source) party(ctx context.Context, party string) (fact, error) {
	synchronizers := rawpb.AppendText(rawpb.AppendText(nil, 1, party), 3, s.idp)
	reply, err := s.call(ctx, stateService+"GetConnectedSynchronizers", synchronizers, maxAnswer)
	switch {
	case err == nil:
		permission, hosted, err := readSynchronizers(reply)
		if err != nil || hosted {
			return fact{standing: StandingHosted, permission: permission}, err
		}
	case !denied(err):
		return fact{}, err
	}
	request := rawpb.AppendText(rawpb.AppendText(nil, 1, party), 2, s.idp)
	reply, adminErr := s.admin(ctx, partyService, "GetParties", request, maxAnswer)
	switch {
	case adminErr == nil:
		local, readErr := readParties(reply)
		if !slices.Contains(local, party) {
			return fact{standing: StandingAbsent}, readErr
		}
		if readErr != nil || err != nil {
			return fact{standing: StandingHosted}, readErr
		}
		return s.permission(ctx, synchronizers)
	case err != nil:
		return fact{}, err
	case !denied(adminErr):
		return fact{}, adminErr
	}
	reply, err = s.call(ctx, stateService+"GetConnectedSynchronizers", nil, maxAnswer)
	if err != nil {
		return fact{}, err
	}
	_, connected, err := readSynchronizers(reply)
	if err == nil && !connected {
		err = errors.New("the participant is not connected to a synchronizer")
	}
	return fact{standing: StandingAbsent}, err
}

// permission returns the fact of a party that the participant hosts, with its permission if
// the participant is connected to one of the party's synchronizers.
func (s source) permission(ctx context.Context, synchronizers []byte) (fact, error) {
	reply, err := s.call(ctx, stateService+"GetConnectedSynchronizers", synchronizers, maxAnswer)
	if err != nil {
		return fact{}, err
	}
	permission, _, err := readSynchronizers(reply)
	return fact{standing: StandingHosted, permission: permission}, err
}

// user returns where a user stands, and the parties of its rights.
func (s source) user(ctx context.Context, user string) (fact, error) {
	request := rawpb.AppendText(rawpb.AppendText(nil, 1, user), 2, s.idp)
	reply, err := s.admin(ctx, userService, "GetUser", request, maxAnswer)
	if status.Code(err) == codes.NotFound {
		return fact{standing: StandingAbsent}, nil
	}
	if err != nil {
		return fact{}, err
	}
	f := fact{standing: StandingHosted}
	err = rawpb.Each(reply, func(x rawpb.Field) error {
		if x.ID != 1 || x.Type != protowire.BytesType {
			return nil
		}
		_, primary, err := readUser(x.Bytes)
		if err == nil && primary != "" {
			f.parties = []string{primary}
		}
		return err
	})
	if err != nil || len(f.parties) > 0 {
		return f, err
	}
	reply, err = s.admin(ctx, userService, "ListUserRights", request, maxPage)
	if err != nil {
		return fact{}, err
	}
	f.parties, err = readRights(reply)
	return f, err
}

// participant returns the participant's ID.
func (s source) participant(ctx context.Context) (string, error) {
	reply, err := s.admin(ctx, partyService, "GetParticipantId", nil, maxAnswer)
	if err != nil {
		return "", err
	}
	id, err := rawpb.Text(reply, 1)
	if err == nil {
		err = checkName(id)
	}
	return id, err
}

// listParties calls f with the parties that the participant lists as its own, a page at a
// time, until f returns false or there are no more.
func (s source) listParties(ctx context.Context, f func([]string) bool) error {
	return s.pages(ctx, partyService, "ListKnownParties", 1, readParties, f)
}

// listUsers does the same with users.
func (s source) listUsers(ctx context.Context, f func([]string) bool) error {
	return s.pages(ctx, userService, "ListUsers", 4, readUsers, f)
}

// pages reads a list. The messages have the page's token and size in fields 2 and 3, the
// identity provider in another one, and the token of the next page in field 2. A list in
// which a page comes again, or that has too many, is an error. A token is compared with one
// before, which is replaced after 1, 2, 4, 8 pages and so on, so that a loop of any length
// is found.
func (s source) pages(ctx context.Context, service, method string, idp protowire.Number,
	read func([]byte) ([]string, error), f func([]string) bool,
) error {
	token, before := "", ""
	for n := 1; n <= maxPages; n++ {
		request := rawpb.AppendNumber(rawpb.AppendText(nil, 2, token), 3, pageSize)
		reply, err := s.admin(ctx, service, method, rawpb.AppendText(request, idp, s.idp), maxPage)
		if err != nil {
			return err
		}
		list, err := read(reply)
		if err != nil {
			return err
		}
		token, err = rawpb.Text(reply, 2)
		switch {
		case err != nil:
			return err
		case !f(list) || token == "":
			return nil
		case token == before:
			return fmt.Errorf("the same page again: its token is %s", cleantext.Detail(token))
		}
		if n&(n-1) == 0 {
			before = token
		}
	}
	return fmt.Errorf("a list of more than %d pages", maxPages)
}

// The values of Canton's ParticipantPermission.
var permissions = map[uint64]Permission{1: PermissionSubmission, 2: PermissionConfirmation, 3: PermissionObservation}

// readSynchronizers reads GetConnectedSynchronizersResponse: whether there is a
// synchronizer, and the greatest permission on one.
func readSynchronizers(reply []byte) (best Permission, found bool, err error) {
	best = PermissionUnknown
	err = rawpb.Each(reply, func(x rawpb.Field) error {
		if x.ID != 1 || x.Type != protowire.BytesType {
			return nil
		}
		permission := PermissionUnknown
		if err := rawpb.Each(x.Bytes, func(y rawpb.Field) error {
			if y.ID == 3 && y.Type == protowire.VarintType {
				permission = permissions[y.Number]
			}
			return nil
		}); err != nil {
			return err
		}
		if !found || levels[permission] > levels[best] {
			best = permission
		}
		found = true
		return nil
	})
	return best, found, err
}

// readParties reads the parties that are local from a GetPartiesResponse or
// ListKnownPartiesResponse.
func readParties(reply []byte) (local []string, err error) {
	err = rawpb.Each(reply, func(x rawpb.Field) error {
		if x.ID != 1 || x.Type != protowire.BytesType {
			return nil
		}
		isLocal := false
		if err := rawpb.Each(x.Bytes, func(y rawpb.Field) error {
			if y.ID == 3 && y.Type == protowire.VarintType {
				isLocal = y.Number != 0
			}
			return nil
		}); err != nil {
			return err
		}
		party, err := rawpb.Text(x.Bytes, 1)
		if err == nil && isLocal && checkName(party) == nil {
			local = append(local, party)
		}
		return err
	})
	return local, err
}

// readUsers reads the IDs of a ListUsersResponse.
func readUsers(reply []byte) (ids []string, err error) {
	err = rawpb.Each(reply, func(x rawpb.Field) error {
		if x.ID != 1 || x.Type != protowire.BytesType {
			return nil
		}
		id, _, err := readUser(x.Bytes)
		if err == nil && checkName(id) == nil {
			ids = append(ids, id)
		}
		return err
	})
	return ids, err
}

// readUser reads a User.
func readUser(message []byte) (id, primary string, err error) {
	if id, err = rawpb.Text(message, 1); err != nil {
		return "", "", err
	}
	primary, err = rawpb.Text(message, 2)
	if err == nil && primary != "" {
		err = checkName(primary)
	}
	return id, primary, err
}

// The fields of a Right that name a party: can_act_as, can_read_as, can_execute_as.
var partyRights = map[protowire.Number]bool{2: true, 3: true, 6: true}

// readRights reads the parties of a ListUserRightsResponse, each once.
func readRights(reply []byte) (parties []string, err error) {
	seen := make(map[string]bool)
	err = rawpb.Each(reply, func(x rawpb.Field) error {
		if x.ID != 1 || x.Type != protowire.BytesType {
			return nil
		}
		return rawpb.Each(x.Bytes, func(y rawpb.Field) error {
			if !partyRights[y.ID] || y.Type != protowire.BytesType {
				return nil
			}
			party, err := rawpb.Text(y.Bytes, 1)
			if err == nil && checkName(party) == nil && !seen[party] && len(parties) < maxRights {
				seen[party] = true
				parties = append(parties, party)
			}
			return err
		})
	})
	return parties, err
}

// denied reports whether a call failed because its user may not make it, or because the
// server does not have the method.
func denied(err error) bool {
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return true
	default:
		return false
	}
}
