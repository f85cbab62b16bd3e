package jsonapi

// readsV2 lists the requests of the JSON API of Canton 3 that change nothing although
// their method is POST: streams as lists, queries with a body, look-ups, checks, and
// preparations that the caller signs later. testdata has the requests of each release.
var readsV2 = []string{
	"POST /v2/commands/command-completions",
	"POST /v2/commands/completion-by-hash",
	"POST /v2/commands/completions",
	"POST /v2/contracts/contract-by-id",
	"POST /v2/dars/validate",
	"POST /v2/events/events-by-contract-id",
	"POST /v2/interactive-submission/preferred-packages",
	"POST /v2/interactive-submission/prepare",
	"POST /v2/package-vetting/list",
	"POST /v2/parties/external/generate-topology",
	"POST /v2/state/active-contracts",
	"POST /v2/state/active-contracts-page",
	"POST /v2/updates",
	"POST /v2/updates/flats",
	"POST /v2/updates/get-updates-page",
	"POST /v2/updates/transaction-by-id",
	"POST /v2/updates/transaction-by-offset",
	"POST /v2/updates/trees",
	"POST /v2/updates/update-by-hash",
	"POST /v2/updates/update-by-id",
	"POST /v2/updates/update-by-offset",
}

// readsV1 is the same for the JSON API of Canton 2.
var readsV1 = []string{
	"POST /v1/fetch",
	"POST /v1/metering-report",
	"POST /v1/parties",
	"POST /v1/query",
	"POST /v1/user",
	"POST /v1/user/rights",
}

// command is a request that submits a command that the participant deduplicates, and
// where its body has what deduplication depends on, as paths of keys.
type command struct {
	route string
	id    string
	// user and actAs are empty if the token alone says them.
	user, actAs   string
	deduplication string
}

// commandsV2 lists the commands of the JSON API of Canton 3. Those that are missing are
// sent at most once: reassignments, which are not deduplicated, and prepared
// transactions, whose command ID is inside an encoded message.
var commandsV2 = []command{
	ownCommand("POST /v2/commands/async/submit"),
	ownCommand("POST /v2/commands/submit-and-wait"),
	innerCommand("POST /v2/commands/submit-and-wait-for-transaction"),
	ownCommand("POST /v2/commands/submit-and-wait-for-transaction-tree"),
}

// ownCommand is a command whose body is JsCommands, innerCommand one that has them under
// "commands".
func ownCommand(route string) command {
	return command{route: route, id: "commandId", user: "userId", actAs: "actAs", deduplication: "deduplicationPeriod"}
}

func innerCommand(route string) command {
	return command{
		route: route, id: "commands.commandId", user: "commands.userId", actAs: "commands.actAs",
		deduplication: "commands.deduplicationPeriod",
	}
}

// commandsV1 lists the commands of the JSON API of Canton 2. Their user is that of the
// token, and their parties are those of the token unless meta names them.
var commandsV1 = []command{
	metaCommand("POST /v1/create"),
	metaCommand("POST /v1/create-and-exercise"),
	metaCommand("POST /v1/exercise"),
}

func metaCommand(route string) command {
	return command{route: route, id: "meta.commandId", deduplication: "meta.deduplicationPeriod"}
}
