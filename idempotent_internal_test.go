package cantonlb

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheLedgerRoleKnowsWhatChangesNothing(t *testing.T) {
	known, err := newIdempotency(readOnly[ParticipantLedger], nil)
	require.NoError(t, err)
	const v2 = "/com.daml.ledger.api.v2."
	for _, method := range []string{
		"CommandCompletionService/CompletionStream", "CommandCompletionService/GetCompletions", "UpdateService/GetUpdates",
		"interactive.InteractiveSubmissionService/GetPreferredPackages", "interactive.InteractiveSubmissionService/GetPreferredPackageVersion",
		"interactive.InteractiveSubmissionService/PrepareSubmission", "admin.IdentityProviderConfigService/GetIdentityProviderConfig",
		"admin.IdentityProviderConfigService/ListIdentityProviderConfigs", "admin.PackageManagementService/ValidateDarFile",
	} {
		assert.True(t, known.has(v2+method), method)
	}
	for _, method := range []string{
		"CommandService/SubmitAndWait", "CommandSubmissionService/Submit", "interactive.InteractiveSubmissionService/ExecuteSubmission",
		"interactive.InteractiveSubmissionService/ExecuteSubmissionAndWait", "admin.IdentityProviderConfigService/CreateIdentityProviderConfig",
		"admin.PackageManagementService/UploadDarFile",
	} {
		assert.False(t, known.has(v2+method), method)
	}
}
