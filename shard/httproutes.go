package shard

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cantonlb/cantonlb/internal/httproute"
)

// pathName is what a {name} in a path stands for.
type pathName uint8

const (
	isNeither pathName = iota
	isParty
	isUser
)

// httpRoute is what is known of a request of the JSON API.
type httpRoute struct {
	form
	path  []pathName
	query []string // fields of the query that are parties
	body  *place   // nil: it is not read
}

// routeOption adds to an httpRoute.
type routeOption func(*httpRoute)

func inQuery(fields ...string) routeOption { return func(x *httpRoute) { x.query = fields } }
func inPath(names ...pathName) routeOption { return func(x *httpRoute) { x.path = names } }

// likeGRPC returns the route of a request whose body, path and query are those of a message
// of the Ledger API in another notation: what is known of the message holds for it.
func likeGRPC(message protoreflect.FullName, options ...routeOption) *httpRoute {
	return likeForm(formOf(message), options...)
}

// likeForm returns the route of a request that says what a form says.
func likeForm(f form, options ...routeOption) *httpRoute {
	x := &httpRoute{form: f}
	for _, p := range f.actAs {
		x.at(p, forActAs)
	}
	for _, p := range f.parties {
		x.at(p, forParty)
	}
	if f.user != "" {
		x.at(f.user, forUser)
	}
	for _, p := range f.local {
		x.at(p, forLocal)
	}
	for _, o := range options {
		o(x)
	}
	return x
}

// at adds a place of the body.
func (x *httpRoute) at(path string, u bodyUse) {
	if x.kind == KindNamed { // nothing of it counts
		return
	}
	if strings.HasSuffix(path, byParty) {
		u = forKeys
	}
	if x.body == nil {
		x.body = new(place)
	}
	x.body.at(inJSON(path), u)
}

// inJSON returns a path of fields as the JSON API has it.
func inJSON(path string) string {
	parts := strings.Split(path, ".")
	for i, field := range parts {
		words := strings.Split(field, "_")
		first := 1
		if strings.HasPrefix(field, "can_") { // the kinds of rights
			first = 0
		}
		for k := first; k < len(words); k++ {
			words[k] = strings.ToUpper(words[k][:1]) + words[k][1:]
		}
		parts[i] = strings.Join(words, "")
		if first == 0 {
			parts[i] = "kind." + parts[i] + ".value"
		}
	}
	return strings.Join(parts, ".")
}

// bare is the form of a submission whose body is the commands themselves.
func bare(f form) form {
	strip := func(list []string) (out []string) {
		for _, p := range list {
			if inner, ok := strings.CutPrefix(p, "commands."); ok {
				out = append(out, inner)
			}
		}
		return out
	}
	f.actAs, f.parties, f.user = strip(f.actAs), strip(f.parties), strings.TrimPrefix(f.user, "commands.")
	return f
}

// The forms of the JSON API of Canton 2, whose parties are those of the token unless it
// says more.
var (
	metaV1    = form{kind: KindSubmission, alone: KindSubmission, actAs: []string{"meta.act_as"}, parties: []string{"meta.read_as"}}
	readersV1 = form{kind: KindRead, parties: []string{"readers"}}
	rightsV1  = form{parties: []string{"rights.party", "primary_party"}, alone: KindLocal}
)

// tree has the parties of a transaction tree.
var tree = []routeOption{inPath(isNeither), inQuery("parties")}

// httpRoutes are the requests of the JSON API of Canton 2 and 3. Package jsonapi has the
// lists of each release in its testdata.
var httpRoutes = func() *httproute.Table[*httpRoute] {
	t := new(httproute.Table[*httpRoute])
	for route, x := range httpForms {
		t.Add(route, x)
	}
	return t
}()

var httpForms = map[string]*httpRoute{
	"GET /livez":  likeForm(ofAny),
	"GET /readyz": likeForm(ofAny),

	"GET /v2/authenticated-user":                                   likeForm(plain),
	"POST /v2/commands/async/submit":                               likeForm(bare(command)),
	"POST /v2/commands/async/submit-reassignment":                  likeGRPC(apiV2 + "SubmitReassignmentRequest"),
	"POST /v2/commands/command-completions":                        likeGRPC(apiV2 + "GetCompletionsRequest"),
	"POST /v2/commands/completion-by-hash":                         likeGRPC(apiV2 + "GetCompletionByHashRequest"),
	"POST /v2/commands/completions":                                likeGRPC(apiV2 + "CompletionStreamRequest"),
	"POST /v2/commands/submit-and-wait":                            likeForm(bare(command)),
	"POST /v2/commands/submit-and-wait-for-reassignment":           likeGRPC(apiV2 + "SubmitAndWaitForReassignmentRequest"),
	"POST /v2/commands/submit-and-wait-for-transaction":            likeGRPC(apiV2 + "SubmitAndWaitForTransactionRequest"),
	"POST /v2/commands/submit-and-wait-for-transaction-tree":       likeForm(bare(command)),
	"POST /v2/contracts/contract-by-id":                            likeGRPC(apiV2 + "GetContractRequest"),
	"POST /v2/events/events-by-contract-id":                        likeGRPC(apiV2 + "GetEventsByContractIdRequest"),
	"POST /v2/interactive-submission/execute":                      likeGRPC(apiV2 + "interactive.ExecuteSubmissionRequest"),
	"POST /v2/interactive-submission/executeAndWait":               likeGRPC(apiV2 + "interactive.ExecuteSubmissionAndWaitRequest"),
	"POST /v2/interactive-submission/executeAndWaitForTransaction": likeGRPC(apiV2 + "interactive.ExecuteSubmissionAndWaitForTransactionRequest"),
	"GET /v2/interactive-submission/preferred-package-version":     likeGRPC(apiV2 + "interactive.GetPreferredPackageVersionRequest"),
	"POST /v2/interactive-submission/preferred-packages":           likeGRPC(apiV2 + "interactive.GetPreferredPackagesRequest"),
	"POST /v2/interactive-submission/prepare":                      likeGRPC(apiV2 + "interactive.PrepareSubmissionRequest"),
	"GET /v2/jose/jwks/synchronizer/{synchronizer}/party/{party}":  likeGRPC(apiV2+"GetJwksRequest", inPath(isNeither, isParty)),
	"POST /v2/state/active-contracts":                              likeGRPC(apiV2 + "GetActiveContractsRequest"),
	"GET /v2/state/active-contracts-page":                          likeGRPC(apiV2 + "GetActiveContractsPageRequest"),
	"POST /v2/state/active-contracts-page":                         likeGRPC(apiV2 + "GetActiveContractsPageRequest"),
	"GET /v2/state/connected-synchronizers":                        likeGRPC(apiV2+"GetConnectedSynchronizersRequest", inQuery("party")),
	"GET /v2/state/latest-pruned-offsets":                          likeGRPC(apiV2 + "GetLatestPrunedOffsetsRequest"),
	"GET /v2/state/ledger-end":                                     likeGRPC(apiV2 + "GetLedgerEndRequest"),
	"POST /v2/updates":                                             likeGRPC(apiV2 + "GetUpdatesRequest"),
	"POST /v2/updates/flats":                                       likeGRPC(apiV2 + "GetUpdatesRequest"),
	"POST /v2/updates/get-updates-page":                            likeGRPC(apiV2 + "GetUpdatesPageRequest"),
	"POST /v2/updates/transaction-by-id":                           likeGRPC(apiV2 + "GetTransactionByIdRequest"),
	"POST /v2/updates/transaction-by-offset":                       likeGRPC(apiV2 + "GetTransactionByOffsetRequest"),
	"GET /v2/updates/transaction-tree-by-id/{update-id}":           likeGRPC(apiV2+"GetTransactionByIdRequest", tree...),
	"GET /v2/updates/transaction-tree-by-offset/{offset}":          likeGRPC(apiV2+"GetTransactionByOffsetRequest", tree...),
	"POST /v2/updates/trees":                                       likeGRPC(apiV2 + "GetUpdatesRequest"),
	"POST /v2/updates/update-by-hash":                              likeGRPC(apiV2 + "GetUpdateByHashRequest"),
	"POST /v2/updates/update-by-id":                                likeGRPC(apiV2 + "GetUpdateByIdRequest"),
	"POST /v2/updates/update-by-offset":                            likeGRPC(apiV2 + "GetUpdateByOffsetRequest"),
	"GET /v2/version":                                              likeGRPC(apiV2 + "GetLedgerApiVersionRequest"),

	"GET /v2/packages":                     likeGRPC(apiV2 + "ListPackagesRequest"),
	"GET /v2/packages/{package-id}":        likeGRPC(apiV2+"GetPackageRequest", inPath(isNeither)),
	"GET /v2/packages/{package-id}/status": likeGRPC(apiV2+"GetPackageStatusRequest", inPath(isNeither)),
	"POST /v2/packages":                    likeGRPC(adminV2 + "UploadDarFileRequest"),
	"POST /v2/dars":                        likeGRPC(adminV2 + "UploadDarFileRequest"),
	"POST /v2/dars/validate":               likeGRPC(adminV2 + "ValidateDarFileRequest"),
	"GET /v2/package-vetting":              likeGRPC(apiV2 + "ListVettedPackagesRequest"),
	"POST /v2/package-vetting":             likeGRPC(adminV2 + "UpdateVettedPackagesRequest"),
	"POST /v2/package-vetting/list":        likeGRPC(apiV2 + "ListVettedPackagesRequest"),
	"POST /v2/package-vetting/update":      likeGRPC(adminV2 + "UpdateVettedPackagesRequest"),

	"GET /v2/parties":                             likeGRPC(adminV2 + "ListKnownPartiesRequest"),
	"POST /v2/parties":                            likeGRPC(adminV2 + "AllocatePartyRequest"),
	"POST /v2/parties/external/allocate":          likeGRPC(adminV2 + "AllocateExternalPartyRequest"),
	"POST /v2/parties/external/generate-topology": likeGRPC(adminV2 + "GenerateExternalPartyTopologyRequest"),
	"GET /v2/parties/participant-id":              likeGRPC(adminV2 + "GetParticipantIdRequest"),
	"GET /v2/parties/{party}":                     likeGRPC(adminV2+"GetPartiesRequest", inPath(isParty), inQuery("parties")),
	"PATCH /v2/parties/{party}":                   likeGRPC(adminV2+"UpdatePartyDetailsRequest", inPath(isParty)),

	"GET /v2/users":                                  likeGRPC(adminV2 + "ListUsersRequest"),
	"POST /v2/users":                                 likeGRPC(adminV2 + "CreateUserRequest"),
	"DELETE /v2/users/{user-id}":                     likeGRPC(adminV2+"DeleteUserRequest", inPath(isUser)),
	"GET /v2/users/{user-id}":                        likeGRPC(adminV2+"GetUserRequest", inPath(isUser)),
	"PATCH /v2/users/{user-id}":                      likeGRPC(adminV2+"UpdateUserRequest", inPath(isUser)),
	"PATCH /v2/users/{user-id}/identity-provider-id": likeGRPC(adminV2+"UpdateUserIdentityProviderIdRequest", inPath(isUser)),
	"GET /v2/users/{user-id}/rights":                 likeGRPC(adminV2+"ListUserRightsRequest", inPath(isUser)),
	"PATCH /v2/users/{user-id}/rights":               likeGRPC(adminV2+"RevokeUserRightsRequest", inPath(isUser)),
	"POST /v2/users/{user-id}/rights":                likeGRPC(adminV2+"GrantUserRightsRequest", inPath(isUser)),

	"GET /v2/idps":             likeGRPC(adminV2 + "ListIdentityProviderConfigsRequest"),
	"POST /v2/idps":            likeGRPC(adminV2 + "CreateIdentityProviderConfigRequest"),
	"DELETE /v2/idps/{idp-id}": likeGRPC(adminV2+"DeleteIdentityProviderConfigRequest", inPath(isNeither)),
	"GET /v2/idps/{idp-id}":    likeGRPC(adminV2+"GetIdentityProviderConfigRequest", inPath(isNeither)),
	"PATCH /v2/idps/{idp-id}":  likeGRPC(adminV2+"UpdateIdentityProviderConfigRequest", inPath(isNeither)),

	"POST /v1/create":               likeForm(metaV1),
	"POST /v1/create-and-exercise":  likeForm(metaV1),
	"POST /v1/exercise":             likeForm(metaV1),
	"POST /v1/fetch":                likeForm(readersV1),
	"GET /v1/query":                 likeForm(form{kind: KindRead, alone: KindRead}),
	"POST /v1/query":                likeForm(readersV1),
	"GET /v1/packages":              likeGRPC(apiV1 + "ListPackagesRequest"),
	"GET /v1/packages/{package-id}": likeGRPC(apiV1+"GetPackageRequest", inPath(isNeither)),
	"POST /v1/packages":             likeForm(ofLocal),
	"GET /v1/parties":               likeForm(ofLocal),
	"POST /v1/parties":              likeForm(form{parties: []string{""}, alone: KindLocal}),
	"POST /v1/parties/allocate":     likeForm(ofLocal),
	"POST /v1/metering-report":      likeForm(ofLocal),
	"GET /v1/user":                  likeForm(plain),
	"POST /v1/user":                 likeForm(withUser),
	"GET /v1/user/rights":           likeForm(plain),
	"POST /v1/user/rights":          likeForm(withUser),
	"POST /v1/user/create":          likeForm(rightsV1),
	"POST /v1/user/delete":          likeForm(ofLocal),
	"POST /v1/user/rights/grant":    likeForm(rightsV1),
	"POST /v1/user/rights/revoke":   likeForm(rightsV1),
	"GET /v1/users":                 likeForm(ofLocal),
}
