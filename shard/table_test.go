package shard

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// notRead are fields of requests that look like parties or users, and say nothing about
// the shard.
var notRead = map[string]string{
	"update_format.include_topology_events.include_participant_authorization_events.parties": "parties that need not be hosted",
	"package_vetting_requirements.parties":                                                   "counterparties",
	"commands.application_id":                                                                "no user",
	"reassignment_command.application_id":                                                    "no user",
	"application_id":                                                                         "no user",
	"transaction_format.event_format.filters_for_any_party":                                  "of what was submitted, by parties that are named",
	"event_format.filters_for_any_party":                                                     "the same, or local",
	"arguments.party_id":                                                                     "a party that is not hosted yet",
}

// testdata/requests has the types of the requests of the Ledger API, one list for each
// release, with the paths to fields that may say something about the shard.
func TestTheTableHasTheRequestsOfAllReleasesAndNoOthers(t *testing.T) {
	lists, err := filepath.Glob("testdata/requests/*.txt")
	require.NoError(t, err)
	require.Len(t, lists, 5)
	seen := make(map[string]bool)
	for _, list := range lists {
		text, err := os.ReadFile(list)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			name := words[0]
			seen[name] = true
			admin := strings.TrimPrefix(strings.TrimPrefix(name, adminV1), adminV2)
			seen[admin] = true
			if admin == name {
				require.Contains(t, forms, protoreflect.FullName(name), list)
			}
			f := formOf(protoreflect.FullName(name))
			for _, path := range words[1:] {
				used := slices.Contains(slices.Concat(f.actAs, f.parties, f.local, []string{f.user}), path)
				switch {
				case used:
				case f.kind == KindLocal && len(f.parties) == 0: // nothing of it is read
				case notRead[path] != "":
				case strings.HasSuffix(name, "GetPreferredPackageVersionRequest"), path == "user_id" && admin != name:
				default:
					assert.Fail(t, "not in the table", "%s: %s: %s", list, name, path)
				}
			}
		}
	}
	for name := range forms {
		assert.True(t, seen[string(name)] || strings.HasPrefix(string(name), "grpc."), "%s is in no list", name)
	}
	for name := range adminForms {
		assert.True(t, seen[name], "%s is in no list", name)
	}
}

func TestReadsOfAnyPartyAreAboutTheParticipant(t *testing.T) {
	for _, name := range []string{"GetUpdatesRequest", "GetActiveContractsRequest", "GetEventsByContractIdRequest", "GetUpdateByIdRequest"} {
		found := slices.ContainsFunc(forms[apiV2+protoreflect.FullName(name)].local, func(path string) bool {
			return strings.HasSuffix(path, anyParty)
		})
		assert.True(t, found, name)
	}
}
