package ledger

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cantonlb/cantonlb/internal/sleep"
)

// Node holds what is read from a participant besides its streams. Each function may be
// nil, and is then not called. They are called from several goroutines, with a context
// of at most ten seconds, and must return when it ends: the stream or the submission
// that needs the answer waits for it.
type Node struct {
	// LedgerEnd returns the current end of the ledger.
	LedgerEnd func(ctx context.Context) (Offset, error)
	// CheckpointDelay returns the longest time between an offset and the checkpoint
	// that reports it, max_offset_checkpoint_emission_delay. 75 s is assumed while it
	// is not known, and 1 s if it is less.
	CheckpointDelay func(ctx context.Context) (time.Duration, error)
	// ParticipantID returns the participant's ID.
	ParticipantID func(ctx context.Context) (string, error)
	// Ready waits until a replica can take calls. A stream is reopened, and a command
	// submitted again, once it has returned, whatever its error, or after five seconds.
	// So the first attempt after a takeover follows at once, and none is made before.
	Ready func(ctx context.Context) error
}

// rest waits for the pause, and then until a replica can take calls, but not beyond
// longest or the end of ctx.
func (n Node) rest(ctx context.Context, pause time.Duration) {
	if !sleep.For(ctx, pause) || n.Ready == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	_ = n.Ready(ctx) // the attempt that follows says what is wrong
}

// waiter is a channel that knows whether its endpoints can take calls, such as a
// cantonlb.Client.
type waiter interface {
	WaitHealthy(ctx context.Context, n int) error
}

// The methods of Ledger API v2 that NodeOf calls.
const (
	methodLedgerEnd     = "/com.daml.ledger.api.v2.StateService/GetLedgerEnd"
	methodVersion       = "/com.daml.ledger.api.v2.VersionService/GetLedgerApiVersion"
	methodParticipantID = "/com.daml.ledger.api.v2.admin.PartyManagementService/GetParticipantId"
)

// NodeOf returns the Node that uses Ledger API v2 over a channel. The channel must
// lead to the replicas of one participant. Calls are made with opts.
//
// No generated copy of the API is needed or linked: the requests are empty, and the
// documented field numbers of the replies are read. Ready is WaitHealthy of a
// cantonlb.Client, and nil for another channel.
func NodeOf(conn grpc.ClientConnInterface, opts ...grpc.CallOption) Node {
	node := Node{
		LedgerEnd: func(ctx context.Context) (Offset, error) {
			var end wrapperspb.Int64Value // as GetLedgerEndResponse: 1 is the offset
			err := conn.Invoke(ctx, methodLedgerEnd, &emptypb.Empty{}, &end, opts...)
			return At(end.GetValue()), err
		},
		CheckpointDelay: func(ctx context.Context) (time.Duration, error) {
			var version emptypb.Empty // keeps all fields as unknown ones
			if err := conn.Invoke(ctx, methodVersion, &emptypb.Empty{}, &version, opts...); err != nil {
				return 0, err
			}
			return checkpointDelay(version.ProtoReflect().GetUnknown()), nil
		},
		ParticipantID: func(ctx context.Context) (string, error) {
			var id wrapperspb.StringValue // as GetParticipantIdResponse: 1 is the ID
			err := conn.Invoke(ctx, methodParticipantID, &emptypb.Empty{}, &id, opts...)
			return id.GetValue(), err
		},
	}
	if w, ok := conn.(waiter); ok {
		node.Ready = func(ctx context.Context) error { return w.WaitHealthy(ctx, 1) }
	}
	return node
}

// checkpointDelay reads features.offset_checkpoint.max_offset_checkpoint_emission_delay, 0 if it is
// not there.
func checkpointDelay(version []byte) time.Duration {
	duration := version
	for _, number := range []protowire.Number{2, 4, 1} {
		duration, _ = lastField(duration, number)
	}
	_, seconds := lastField(duration, 1)
	_, nanos := lastField(duration, 2)
	return time.Duration(min(max(int64(seconds), 0), maxSeconds))*time.Second + time.Duration(min(nanos, uint64(time.Second)))
}

// lastField returns the last field of that number in a message: its bytes, or its varint.
func lastField(message []byte, number protowire.Number) (content []byte, varint uint64) {
	for len(message) > 0 {
		got, wire, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, 0
		}
		size := protowire.ConsumeFieldValue(got, wire, message[n:])
		if size < 0 {
			return nil, 0
		}
		if got == number {
			switch wire {
			case protowire.BytesType:
				content, _ = protowire.ConsumeBytes(message[n:])
			case protowire.VarintType:
				varint, _ = protowire.ConsumeVarint(message[n:])
			default:
			}
		}
		message = message[n+size:]
	}
	return content, varint
}
