// Package cantonid checks the identity of Canton nodes, for cantonlb.Config.Validate.
//
// # Why
//
// A list of endpoints is written by hand and does not prove which servers are there.
// Only the replicas of one participant share offsets and the record of submitted
// commands: with two participants in one list, a stream that resumes on the other one
// misses or repeats transactions, and a command may be executed twice. A sequencer of
// another synchronizer orders different messages. These hooks therefore ask the server
// of each new connection for its identity before any call is sent to it. A server with
// another identity is not picked, with the reason identity_mismatch and both identities
// in the detail.
//
//	client, err := cantonlb.NewClient(cantonlb.Config{
//		Role:      cantonlb.Sequencer,
//		Endpoints: endpoints,
//		Validate:  cantonid.Sequencers(cantonid.Expected{SynchronizerID: "global-domain::1220be58c29e..."}),
//	})
//
// # Methods
//
// [Participant] calls GetParticipantId of the Ledger API's PartyManagementService (v2,
// or v1 if there is no v2), which according to its documentation returns the same id on
// all replicas of a participant. It requires a token of a participant's administrator.
// [Sequencers] calls GetSynchronizerId of the SequencerConnectService on the public
// API, which requires no token.
//
// This package encodes and decodes the few messages by hand, so a program that links it
// can also link Canton's stubs of any version, without a conflict between the two.
//
// # Defaults
//
// Identities that are not set are taken from the first answers: the first answer of any
// endpoint determines the participant or the synchronizer, and the first answer of each
// endpoint determines its sequencer. A node that later has another identity is a
// mismatch, and so is a node that differs from the others. If the very first server is
// the wrong one, however, the right ones are not picked, so set the ids wherever they
// are known. A hook remembers identities for as long as it exists, and is for one
// client. To replace the sequencer of an endpoint permanently, give the endpoint
// another name.
package cantonid
