package ws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/ledger"
)

// The paths of the websockets of Canton 3. Those of Flats and Trees are gone in 3.6,
// and CommandCompletionsPath is there from 3.5 on.
const (
	UpdatesPath            = "/v2/updates"
	FlatsPath              = "/v2/updates/flats"
	TreesPath              = "/v2/updates/trees"
	CompletionsPath        = "/v2/commands/completions"
	CommandCompletionsPath = "/v2/commands/command-completions"
	ActiveContractsPath    = "/v2/state/active-contracts"
)

// Message is one message of a stream, as the server has sent it.
type Message = json.RawMessage

// StreamOptions are the options of a stream that is opened again.
type StreamOptions struct {
	Options

	// Path is the path of the websocket. Default: UpdatesPath for Updates,
	// CompletionsPath for Completions, and ActiveContractsPath for ActiveContracts.
	Path string
	// Ledger are the options of package ledger: End, OnCheckpoint, Node, DropToken,
	// OnReopen and Monitor. With a Node, such as that of NodeOf, a silent stream is
	// noticed, and a ledger that was rewound is examined. Request and Position are set
	// here and must be nil.
	Ledger ledger.Options[Message]
}

// Updates returns the updates after an offset, from a websocket that is opened again after
// the last offset: ledger.Updates over a JSON API. request is the GetUpdatesRequest, as
// anything that marshals to a JSON object; its beginExclusive is replaced.
func Updates(ctx context.Context, client *jsonapi.Client, begin ledger.Offset, request any, o StreamOptions,
) iter.Seq2[ledger.Update[Message], error] {
	return follow(ctx, client, begin, request, o, UpdatesPath)
}

// Completions returns the completions after an offset, as Updates does. request is the
// CompletionStreamRequest, or the GetCompletionsRequest with CommandCompletionsPath.
func Completions(ctx context.Context, client *jsonapi.Client, begin ledger.Offset, request any, o StreamOptions,
) iter.Seq2[ledger.Update[Message], error] {
	return follow(ctx, client, begin, request, o, CompletionsPath)
}

func follow(ctx context.Context, client *jsonapi.Client, begin ledger.Offset, request any, o StreamOptions, path string,
) iter.Seq2[ledger.Update[Message], error] {
	l := o.Ledger
	fault := checked(l.Request != nil || l.Position != nil, client, pathOf(o, path), request, o.Options)
	if fault == nil && l.End.IsZero() {
		l.End = endOf(request)
	}
	l.Position = position
	open := func(ctx context.Context, begin ledger.Offset) (ledger.Receiver[Message], error) {
		return dial(ctx, client, pathOf(o, path), request, "beginExclusive", begin, o)
	}
	if fault != nil {
		return func(yield func(ledger.Update[Message], error) bool) {
			yield(ledger.Update[Message]{}, &ledger.StoppedError{Last: begin, Cause: ledger.Misused, Err: fault})
		}
	}
	return ledger.Updates(ctx, begin, open, l)
}

// ActiveContracts reads the active contracts at an offset, and returns that offset: it is
// ledger.Snapshot over a JSON API, and consume is called for each attempt, as there.
// request is the GetActiveContractsRequest; its activeAtOffset is replaced. at is the
// offset; the zero value means the ledger end, which Node.LedgerEnd returns.
func ActiveContracts(ctx context.Context, client *jsonapi.Client, at ledger.Offset, request any,
	consume func(contracts iter.Seq2[Message, error]) error, o StreamOptions,
) (ledger.Offset, error) {
	isSet := o.Ledger.Request != nil || o.Ledger.Position != nil
	if fault := checked(isSet, client, pathOf(o, ActiveContractsPath), request, o.Options); fault != nil {
		return at, &ledger.StoppedError{Last: at, Cause: ledger.Misused, Err: fault}
	}
	node := o.Ledger.Node
	if at.IsZero() && node.LedgerEnd == nil {
		node.LedgerEnd = NodeOf(client).LedgerEnd
	}
	open := func(ctx context.Context, at ledger.Offset) (ledger.Receiver[Message], error) {
		return dial(ctx, client, pathOf(o, ActiveContractsPath), request, "activeAtOffset", at, o)
	}
	return ledger.Snapshot(ctx, open, consume, ledger.SnapshotOptions{
		At: at, Node: node, DropToken: o.Ledger.DropToken, OnReopen: o.Ledger.OnReopen,
	})
}

func pathOf(o StreamOptions, otherwise string) string {
	if o.Path != "" {
		return o.Path
	}
	return otherwise
}

// checked looks for mistakes of the program.
func checked(isSet bool, client *jsonapi.Client, path string, request any, o Options) error {
	if isSet {
		return errors.New("StreamOptions.Ledger: Request or Position is set; want neither")
	}
	if _, err := o.check(client, path, nil); err != nil {
		return err
	}
	_, err := withOffset(request, "", ledger.Offset{})
	return err
}

// dial opens a websocket whose request has an offset.
func dial(ctx context.Context, client *jsonapi.Client, path string, request any, field string, at ledger.Offset, o StreamOptions,
) (ledger.Receiver[Message], error) {
	with, err := withOffset(request, field, at)
	if err != nil {
		return nil, err
	}
	conn, err := Dial(ctx, client, path, with, o.Options)
	if err != nil {
		return nil, err
	}
	return &receiver{conn}, nil
}

// withOffset returns a request with an offset in a field; "" for none.
func withOffset(request any, field string, at ledger.Offset) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("the request: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return nil, errors.New("the request is no JSON object")
	}
	if field != "" {
		fields[field] = json.RawMessage(fmt.Sprint(at.Int64()))
	}
	return fields, nil
}

// endOf returns the end of the range that a request asks for.
func endOf(request any) ledger.Offset {
	fields, err := withOffset(request, "", ledger.Offset{})
	var end int64
	if err != nil || json.Unmarshal(fields["endInclusive"], &end) != nil {
		return ledger.Offset{}
	}
	return ledger.At(end)
}

// receiver is a websocket without the messages that say nothing.
type receiver struct{ conn *Conn }

// Recv returns the next message with a content.
func (r *receiver) Recv() (Message, error) {
	for {
		m, err := r.conn.Recv()
		if err != nil || !says(m, "completionResponse", "Empty") {
			return m, err
		}
	}
}

// says reports whether a message has this key in this field.
func says(m Message, field, key string) bool {
	var outer map[string]json.RawMessage
	var inner map[string]json.RawMessage
	if json.Unmarshal(m, &outer) != nil || json.Unmarshal(outer[field], &inner) != nil {
		return false
	}
	_, found := inner[key]
	return found
}

var errNoOffset = errors.New("a message without an offset")

// position returns the offset of an update or completion, and whether it is a checkpoint:
// {"update":{"Transaction":{"value":{"offset":7}}}} and the like.
func position(m Message) (ledger.Offset, bool, error) {
	var outer struct {
		Update     map[string]located `json:"update"`
		Completion map[string]located `json:"completionResponse"`
	}
	if err := json.Unmarshal(m, &outer); err != nil {
		return ledger.Offset{}, false, fmt.Errorf("a message that is not known: %w", err)
	}
	for _, of := range []map[string]located{outer.Update, outer.Completion} {
		if len(of) != 1 {
			continue
		}
		for kind, at := range of {
			if at.Value.Offset > 0 {
				return ledger.At(at.Value.Offset), kind == "OffsetCheckpoint", nil
			}
		}
	}
	return ledger.Offset{}, false, errNoOffset
}

type located struct {
	Value struct {
		Offset int64 `json:"offset"`
	} `json:"value"`
}
