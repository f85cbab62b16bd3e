// Package cantonid finds out who a Canton node is, for cantonlb.Config.Validate.
//
// # Why
//
// A list of endpoints is written by hand, and says nothing about who is there. Only
// the replicas of one participant share offsets and the memory of which commands
// have been submitted: with two participants in one list a stream that goes on
// elsewhere misses or repeats transactions, and a command may be executed twice. A
// sequencer of another synchronizer orders other messages altogether. So these
// hooks ask each new connection, before any call is given to it, and keep out
// whoever is another one, with the reason identity_mismatch and both identities.
//
//	client, err := cantonlb.NewClient(cantonlb.Config{
//		Role:      cantonlb.Sequencer,
//		Endpoints: endpoints,
//		Validate:  cantonid.Sequencers(cantonid.Expected{SynchronizerID: "global-domain::1220be58c29e..."}),
//	})
//
// # What is asked
//
// [Participant] calls GetParticipantId of the Ledger API's PartyManagementService
// (v2, and v1 where there is no v2), whose documentation says that all replicas of
// a participant return the same id. It takes a token of a participant's
// administrator. [Sequencers] calls GetSynchronizerId of the
// SequencerConnectService on the public API, which takes no token.
//
// The few messages are encoded and decoded here by hand: a program that links this
// package can link any stubs of Canton's, generated from whatever version, and
// neither knows of the other.
//
// # Defaults
//
// What is not said beforehand is learnt: the first answer decides for all
// endpoints which participant or synchronizer it is, and for each endpoint which
// sequencer. So a node that comes back as another one is a mismatch, and so is one
// that differs from the rest; but if it is the very first that is wrong, the right
// ones are kept out. Say the ids beforehand wherever they are known. A hook
// remembers for as long as it lives, and is for one client. To let another
// sequencer take an endpoint's place for good, give the endpoint another name.
package cantonid
