package cantonid

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/resolver"
)

// Hook is a cantonlb.Config.Validate. It is safe for concurrent use.
type Hook func(ctx context.Context, cc grpc.ClientConnInterface, e cantonlb.Endpoint) cantonlb.Validation

// The methods that are called, and the fields of their answers. The requests are
// empty messages.
const (
	participantV2 = "/com.daml.ledger.api.v2.admin.PartyManagementService/GetParticipantId"
	participantV1 = "/com.daml.ledger.api.v1.admin.PartyManagementService/GetParticipantId"
	synchronizer  = "/com.digitalasset.canton.sequencer.api.v30.SequencerConnectService/GetSynchronizerId"

	participantID  = 1 // of GetParticipantIdResponse
	synchronizerID = 1 // of GetSynchronizerIdResponse
	sequencerUID   = 2 // the same
)

// Participant returns a hook for the replicas of one participant, which uses their
// Ledger API. id is the participant's id, such as "participant1::1220af31...". If it is
// empty, the first answer determines it.
func Participant(id string) Hook {
	known := newMemory()
	known.expect(forAll, id)
	return func(ctx context.Context, cc grpc.ClientConnInterface, e cantonlb.Endpoint) cantonlb.Validation {
		answer, err := ask(ctx, cc, participantV2)
		if status.Code(err) == codes.Unimplemented {
			answer, err = ask(ctx, cc, participantV1)
		}
		if err != nil {
			return unanswered(err)
		}
		found, err := answer.id(participantID, "participant id")
		if err != nil {
			return unanswered(err)
		}
		return known.compare(forAll, "participant id", found, e.Name, same)
	}
}

// Expected holds the known identities of sequencers.
type Expected struct {
	// SynchronizerID is the id of the synchronizer: its physical id, such as
	// "da::1220be58...::34-0", or that id without the protocol version and the serial
	// at its end. If it is empty, the first answer determines it.
	SynchronizerID string
	// SequencerIDs are the ids of the sequencers, such as "sequencer1::1220af31...", by
	// the names of their endpoints. An endpoint without an entry may be any sequencer
	// at first, and must stay the same one.
	SequencerIDs map[string]string
}

// Sequencers returns a hook for the sequencers of one synchronizer, which uses their
// public API.
func Sequencers(want Expected) Hook {
	known := newMemory()
	known.expect(forAll, want.SynchronizerID)
	for name, id := range want.SequencerIDs {
		known.expect(of(name), id)
	}
	return func(ctx context.Context, cc grpc.ClientConnInterface, e cantonlb.Endpoint) cantonlb.Validation {
		answer, err := ask(ctx, cc, synchronizer)
		if err != nil {
			return unanswered(err)
		}
		which, err := answer.id(synchronizerID, "synchronizer id")
		if err != nil {
			return unanswered(err)
		}
		who, err := answer.id(sequencerUID, "sequencer id")
		if err != nil {
			return unanswered(err)
		}
		if v := known.compare(forAll, "synchronizer id", which, e.Name, sameSynchronizer); v.Result != cantonlb.ValidationOK {
			return v
		}
		return known.compare(of(e.Name), "sequencer id", who, e.Name, same)
	}
}

// same reports whether an id that was found is the expected one.
func same(found, want string) bool { return found == want }

// sameSynchronizer is like same for an expected id that may lack the protocol version
// and the serial at its end. An expected id without a fingerprint must match exactly.
func sameSynchronizer(found, want string) bool {
	return same(found, want) || strings.Contains(want, "::") && strings.HasPrefix(found, want+"::")
}

// unanswered returns the validation of a node that did not report its identity.
func unanswered(err error) cantonlb.Validation {
	s := status.Convert(err)
	detail := s.Message()
	if s.Code() != codes.Unknown {
		detail = fmt.Sprintf("%v: %s", s.Code(), detail)
	}
	return cantonlb.Validation{Result: cantonlb.ValidationRetry, Detail: detail}
}

// subject is the owner of a remembered identity: one endpoint, or all of them.
type subject struct{ endpoint string }

var forAll = subject{} // no endpoint has an empty name

func of(endpoint string) subject { return subject{endpoint} }

// memory holds the expected identities. It is safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	known map[subject]identity
}

// identity is an id and its source.
type identity struct{ id, from string }

const asConfigured = "as configured"

// maxKnown bounds the remembered identities if the list changes all the time.
const maxKnown = 2 * resolver.MaxEndpoints

func newMemory() *memory { return &memory{known: make(map[subject]identity)} }

// expect records an expected id. An empty id is ignored.
func (m *memory) expect(s subject, id string) {
	if id != "" {
		m.known[s] = identity{id: id, from: asConfigured}
	}
}

// compare checks whether an id that was found is the expected one. If none is known,
// the found id is the expected one from now on.
func (m *memory) compare(s subject, what, found, endpoint string, same func(found, want string) bool) cantonlb.Validation {
	m.mu.Lock()
	defer m.mu.Unlock()
	want, ok := m.known[s]
	switch {
	case !ok:
		m.makeRoomLocked()
		m.known[s] = identity{id: found, from: fmt.Sprintf("as endpoint %q said first", endpoint)}
	case !same(found, want.id):
		return cantonlb.Validation{
			Result: cantonlb.ValidationMismatch,
			Detail: fmt.Sprintf("%s %q; want %q, %s", what, found, want.id, want.from),
		}
	}
	return cantonlb.Validation{Result: cantonlb.ValidationOK}
}

// makeRoomLocked removes one identity that came from an answer if too many are known.
func (m *memory) makeRoomLocked() {
	if len(m.known) < maxKnown {
		return
	}
	for s, i := range m.known {
		if s != forAll && i.from != asConfigured {
			delete(m.known, s)
			return
		}
	}
}
