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

// The methods that are asked, and the fields of their answers. The requests are
// empty messages.
const (
	participantV2 = "/com.daml.ledger.api.v2.admin.PartyManagementService/GetParticipantId"
	participantV1 = "/com.daml.ledger.api.v1.admin.PartyManagementService/GetParticipantId"
	synchronizer  = "/com.digitalasset.canton.sequencer.api.v30.SequencerConnectService/GetSynchronizerId"

	participantID  = 1 // of GetParticipantIdResponse
	synchronizerID = 1 // of GetSynchronizerIdResponse
	sequencerUID   = 2 // the same
)

// Participant makes a hook for the replicas of one participant, by their Ledger
// API. id is the participant's, such as "participant1::1220af31..."; empty if the
// first replica that answers is to decide.
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

// Expected is what is known of sequencers beforehand.
type Expected struct {
	// SynchronizerID is that of the synchronizer: its physical id, such as
	// "da::1220be58...::34-0", or that without the protocol version and the serial at
	// its end. Empty if the first sequencer that answers is to decide.
	SynchronizerID string
	// SequencerIDs are those of the sequencers, such as "sequencer1::1220af31...",
	// by the names of their endpoints. An endpoint that is not in it may be any
	// sequencer at first, and has to stay the same one.
	SequencerIDs map[string]string
}

// Sequencers makes a hook for the sequencers of one synchronizer, by their public
// API.
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

// same tells whether an id that was found is the one that is wanted.
func same(found, want string) bool { return found == want }

// sameSynchronizer is same for an id that may want the protocol version and the
// serial at its end. What is wanted has a fingerprint, or stands for itself alone.
func sameSynchronizer(found, want string) bool {
	return same(found, want) || strings.Contains(want, "::") && strings.HasPrefix(found, want+"::")
}

// unanswered is the validation of a node that did not say who it is.
func unanswered(err error) cantonlb.Validation {
	s := status.Convert(err)
	detail := s.Message()
	if s.Code() != codes.Unknown {
		detail = fmt.Sprintf("%v: %s", s.Code(), detail)
	}
	return cantonlb.Validation{Result: cantonlb.ValidationRetry, Detail: detail}
}

// subject is whose identity is remembered: an endpoint's own, or that of all.
type subject struct{ endpoint string }

var forAll = subject{} // no endpoint has an empty name

func of(endpoint string) subject { return subject{endpoint} }

// memory is which identities there should be. It is safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	known map[subject]identity
}

// identity is an id, and where it is known from.
type identity struct{ id, from string }

const asConfigured = "as configured"

// maxKnown bounds what is learnt, where a list changes all the time.
const maxKnown = 2 * resolver.MaxEndpoints

func newMemory() *memory { return &memory{known: make(map[subject]identity)} }

// expect notes what should be; an empty id is not known.
func (m *memory) expect(s subject, id string) {
	if id != "" {
		m.known[s] = identity{id: id, from: asConfigured}
	}
}

// compare tells whether an id that was found is the one that should be. If none is
// known, it is from now on.
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

// makeRoomLocked forgets any endpoint that was learnt if too many are known.
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
