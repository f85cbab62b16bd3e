// Package shard finds the participant service that hosts a party or a user.
//
// # Why
//
// A system that outgrows one participant service runs several, and each hosts some of the
// users and parties. Canton leaves it to the application to know which participant service
// a request belongs to. Programs keep tables of base URLs, and a wrong entry shows itself
// as a permission error, as an empty list of contracts, or as a command that is executed
// twice because it was submitted again through another participant. A [Router] asks the
// participants themselves, reads the parties from each request, and refuses what belongs
// to none or to several of them:
//
//	router, err := shard.New(map[string]shard.Shard{
//		"p1": {Client: participant1, JSON: json1},
//		"p2": {Client: participant2, JSON: json2},
//	}, shard.Config{})
//	if err != nil {
//		return err
//	}
//	defer router.Close()
//	commands := lapi.NewCommandServiceClient(router)
//
// # Which shard
//
// The parties of a request decide, and each of them has to be on the shard; parties on
// behalf of which something is submitted with the permission to submit. The user ID counts
// only in a request without parties, and only if it exists on one shard: every participant
// has a user participant_admin. A context says more: [WithParty], [WithUser],
// [WithProvider], and [WithShard], which overrules everything. The arguments of commands
// are never read, since they name counterparties.
//
//	                                   no party                     party on several shards
//	reads of any shard: version,       any live shard               -
//	packages, health
//	reads: by ID, prepare              Default, or refused          preferred, spread, or refused
//	reads at an offset, streams        Default, or refused          preferred, or refused
//	submissions                        Default, or refused          preferred, or refused
//	about a participant: ledger end,   refused without WithParty,   refused without WithParty,
//	pages, any party, admin writes     WithUser or WithShard        WithUser or WithShard
//	executions of what was prepared    refused without WithShard    refused without WithShard
//
// A submission never moves from one shard to another by itself, since a participant does
// not know what another one has executed: see [MovedError] and [UndecidedError].
//
// # Discovery
//
// A party that is not known is looked up at all shards at once, by
// GetConnectedSynchronizers, which any user with rights for the party may call, or by
// GetParties. All callers that need it wait for one look-up, each until its own context
// ends. A shard that does not answer delays a request for which another shard is known by
// a second at most, and not at all while its look-ups fail. If the user of the look-ups is
// an administrator, parties and users are listed regularly as well.
//
// # For operators
//
// [Router.Status] and [Router.Events] report how the shards are, and [Router.Explain] and
// [Router.ExplainUser] where requests with a party or a user go, and why. Package
// statuspage, the command and otelmetrics show them; docs/shard.md has the guide.
//
// # Defaults
//
// What is known is renewed every 5 minutes. The answer that no shard has a party is kept
// for 10 s. A look-up takes 5 s at most. Up to 100,000 parties and 10,000 users are
// remembered. There is no default shard, and nothing is preferred.
package shard
