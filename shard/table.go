package shard

import "google.golang.org/protobuf/reflect/protoreflect"

// form is where a kind of request says which shard it belongs to. Paths are as in package
// protopath.
type form struct {
	kind Kind
	// alone is the kind of a request without a party.
	alone Kind
	// actAs and parties lead to parties, and user to a user ID.
	actAs, parties []string
	user           string
	// local are fields with which a request is about the participant itself.
	local []string
}

const (
	apiV1   = "com.daml.ledger.api.v1."
	apiV2   = "com.daml.ledger.api.v2."
	adminV1 = apiV1 + "admin."
	adminV2 = apiV2 + "admin."
)

// The fields of formats and filters.
const (
	byParty  = ".filters_by_party"
	anyParty = ".filters_for_any_party"
)

// The forms that several requests have.
var (
	ofAny    = form{kind: KindAny, alone: KindAny}
	ofLocal  = form{kind: KindLocal, alone: KindLocal}
	plain    = form{}
	withUser = form{user: "user_id"}

	// The application_id of v1, and of v2 in 2.10, is no user.
	command = form{
		kind: KindSubmission, alone: KindSubmission, actAs: []string{"commands.act_as", "commands.party"},
		parties: []string{"commands.read_as", "transaction_format.event_format" + byParty}, user: "commands.user_id",
	}
	reassignment = form{
		kind: KindSubmission, alone: KindSubmission, actAs: []string{"reassignment_commands.submitter", "reassignment_command.submitter"},
		parties: []string{"event_format" + byParty}, user: "reassignment_commands.user_id",
	}
	// The participant that executes what was prepared need not host the parties.
	execution = form{
		kind: KindNamed, alone: KindNamed,
		actAs:   []string{"prepared_transaction.metadata.submitter_info.act_as"},
		parties: []string{"party_signatures.signatures.party", "transaction_format.event_format" + byParty}, user: "user_id",
	}
	// A participant that prepares need not be able to submit.
	preparation = form{kind: KindRead, parties: []string{"act_as", "read_as"}, user: "user_id"}

	oneParty    = []string{"party"}
	manyParties = []string{"parties"}

	requesting = form{kind: KindRead, parties: []string{"requesting_parties"}}
	rights     = []string{"rights.can_act_as.party", "rights.can_read_as.party", "rights.can_execute_as.party"}
)

// filtered returns the form of a read at an offset whose filters are in these fields.
func filtered(kind, alone Kind, local []string, fields ...string) form {
	f := form{kind: kind, alone: alone, local: local}
	for _, field := range fields {
		f.parties = append(f.parties, field+byParty)
		f.local = append(f.local, field+anyParty)
	}
	return f
}

// contracts returns the form of a read of active contracts.
func contracts(token string, fields ...string) form {
	return filtered(KindPinned, KindPinned, []string{token}, fields...)
}

// updates returns the form of a read of updates. Its topology events are about parties
// that need not be hosted.
func updates(kind Kind, local ...string) form {
	f := filtered(kind, KindLocal, local, "filter", "update_format.include_transactions.event_format",
		"update_format.include_reassignments", "transaction_format.event_format")
	f.parties = append(f.parties, "requesting_parties")
	return f
}

// forms holds the form of each request of the Ledger API, of 2.10 and of 3.3 to 3.5, and
// of the services that every gRPC server may have. testdata has the requests of each
// release.
var forms = map[protoreflect.FullName]form{
	"grpc.health.v1.HealthCheckRequest":                                 ofAny,
	"grpc.health.v1.HealthListRequest":                                  ofAny,
	"grpc.reflection.v1.ServerReflectionRequest":                        ofAny,
	"grpc.reflection.v1alpha.ServerReflectionRequest":                   ofAny,
	apiV2 + "GetLedgerApiVersionRequest":                                ofAny,
	apiV2 + "ListPackagesRequest":                                       ofAny,
	apiV2 + "GetPackageRequest":                                         ofAny,
	apiV2 + "GetPackageStatusRequest":                                   ofAny,
	apiV2 + "ListVettedPackagesRequest":                                 {kind: KindAny, alone: KindAny, local: []string{"page_token"}},
	apiV2 + "SubmitRequest":                                             command,
	apiV2 + "SubmitAndWaitRequest":                                      command,
	apiV2 + "SubmitAndWaitForTransactionRequest":                        command,
	apiV2 + "SubmitReassignmentRequest":                                 reassignment,
	apiV2 + "SubmitAndWaitForReassignmentRequest":                       reassignment,
	apiV2 + "CompletionStreamRequest":                                   {parties: manyParties, user: "user_id"},
	apiV2 + "GetCompletionsRequest":                                     {parties: manyParties},
	apiV2 + "GetCompletionByHashRequest":                                ofLocal,
	apiV2 + "GetContractRequest":                                        {kind: KindRead, parties: []string{"querying_parties"}},
	apiV2 + "GetEventsByContractIdRequest":                              events,
	apiV2 + "GetActiveContractsRequest":                                 contracts("stream_continuation_token", "filter", "event_format"),
	apiV2 + "GetActiveContractsPageRequest":                             contracts("page_token", "event_format"),
	apiV2 + "GetConnectedSynchronizersRequest":                          {parties: oneParty, alone: KindLocal},
	apiV2 + "GetConnectedDomainsRequest":                                {parties: oneParty, alone: KindLocal},
	apiV2 + "GetLedgerEndRequest":                                       ofLocal,
	apiV2 + "GetLatestPrunedOffsetsRequest":                             ofLocal,
	apiV2 + "GetUpdatesRequest":                                         updates(KindPinned),
	apiV2 + "GetUpdatesPageRequest":                                     updates(KindPinned, "page_token"),
	apiV2 + "GetUpdateByOffsetRequest":                                  updates(KindPinned),
	apiV2 + "GetUpdateByIdRequest":                                      updates(KindRead),
	apiV2 + "GetUpdateByHashRequest":                                    ofLocal,
	apiV2 + "GetTransactionByOffsetRequest":                             updates(KindPinned),
	apiV2 + "GetTransactionByIdRequest":                                 updates(KindRead),
	apiV2 + "GetTransactionByEventIdRequest":                            requesting,
	apiV2 + "interactive.PrepareSubmissionRequest":                      preparation,
	apiV2 + "interactive.ExecuteSubmissionRequest":                      execution,
	apiV2 + "interactive.GetPreferredPackagesRequest":                   plain, // its parties are counterparties
	apiV2 + "testing.GetTimeRequest":                                    ofLocal,
	apiV2 + "testing.SetTimeRequest":                                    ofLocal,
	apiV2 + "GetJwksRequest":                                            {kind: KindRead, parties: []string{"party_id"}, alone: KindLocal},
	apiV2 + "interactive.ExecuteSubmissionAndWaitRequest":               execution,
	apiV2 + "interactive.ExecuteSubmissionAndWaitForTransactionRequest": execution,
	apiV2 + "interactive.GetPreferredPackageVersionRequest":             plain, // the same

	apiV1 + "SubmitRequest":                  command,
	apiV1 + "SubmitAndWaitRequest":           command,
	apiV1 + "CompletionStreamRequest":        {parties: manyParties},
	apiV1 + "CompletionEndRequest":           ofLocal,
	apiV1 + "GetActiveContractsRequest":      filtered(KindPinned, KindPinned, nil, "filter"),
	apiV1 + "GetTransactionsRequest":         filtered(KindPinned, KindPinned, nil, "filter"),
	apiV1 + "GetTransactionByIdRequest":      requesting,
	apiV1 + "GetTransactionByEventIdRequest": requesting,
	apiV1 + "GetEventsByContractIdRequest":   requesting,
	apiV1 + "GetEventsByContractKeyRequest":  {kind: KindRead, parties: requesting.parties, local: []string{"continuation_token"}},
	apiV1 + "GetLedgerEndRequest":            ofLocal,
	apiV1 + "GetLatestPrunedOffsetsRequest":  ofLocal,
	apiV1 + "GetLedgerIdentityRequest":       ofLocal,
	apiV1 + "GetLedgerConfigurationRequest":  ofLocal,
	apiV1 + "GetLedgerApiVersionRequest":     ofAny,
	apiV1 + "ListPackagesRequest":            ofAny,
	apiV1 + "GetPackageRequest":              ofAny,
	apiV1 + "GetPackageStatusRequest":        ofAny,
	apiV1 + "testing.GetTimeRequest":         ofLocal,
	apiV1 + "testing.SetTimeRequest":         ofLocal,
}

// events is the form of a look-up of events by the contract.
var events = func() form {
	f := filtered(KindRead, KindPinned, nil, "event_format")
	f.parties = append(f.parties, "requesting_parties")
	return f
}()

// adminForms holds the forms of the requests of the admin services that say which shard
// they belong to. All others are about the participant.
var adminForms = map[string]form{
	"ListKnownPackagesRequest":             ofAny,
	"GetPartiesRequest":                    {parties: manyParties, alone: KindLocal},
	"UpdatePartyDetailsRequest":            {parties: []string{"party_details.party"}, alone: KindLocal},
	"UpdatePartyIdentityProviderIdRequest": {parties: oneParty, alone: KindLocal},
	"UpdatePartyIdentityProviderRequest":   {parties: oneParty, alone: KindLocal},
	"ExportPartyAcsRequest":                {parties: []string{"party_id"}, alone: KindLocal},
	"CreateUserRequest":                    {parties: append([]string{"user.primary_party"}, rights...), alone: KindLocal},
	"GrantUserRightsRequest":               {parties: rights, alone: KindLocal},
	"RevokeUserRightsRequest":              {parties: rights, alone: KindLocal},
	"GetUserRequest":                       withUser,
	"ListUserRightsRequest":                withUser,
}
