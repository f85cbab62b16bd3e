// Package participant runs two replicas of a participant for the examples, as
// processes that share a store and of which one is active at a time. It exists so
// that a takeover can be seen without a Canton node.
//
// The store is a PostgreSQL database, which the package starts in a temporary
// folder: the replica that holds an advisory lock there is active, as with Canton's
// replicas, and connections to the other one are refused. The active replica serves
// the small ledger of internal/ledgerpb, and of the Ledger API v2, with its real
// wire types, SubmitAndWait, completions, updates, the ledger end, the version, the
// participant's ID and the parties that it hosts.
package participant
