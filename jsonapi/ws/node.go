package ws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/ledger"
)

// maxAnswer bounds the answers of a Node, in bytes.
const maxAnswer = 1 << 20

// NodeOf returns the Node that asks the JSON API, for StreamOptions.Ledger.
func NodeOf(client *jsonapi.Client) ledger.Node {
	return ledger.Node{
		LedgerEnd: func(ctx context.Context) (ledger.Offset, error) {
			var end struct {
				Offset int64 `json:"offset"`
			}
			err := get(ctx, client, "/v2/state/ledger-end", &end)
			return ledger.At(end.Offset), err
		},
		CheckpointDelay: func(ctx context.Context) (time.Duration, error) {
			var version struct {
				Features struct {
					OffsetCheckpoint struct {
						MaxDelay struct {
							Seconds int64 `json:"seconds"`
							Nanos   int64 `json:"nanos"`
						} `json:"maxOffsetCheckpointEmissionDelay"`
					} `json:"offsetCheckpoint"`
				} `json:"features"`
			}
			err := get(ctx, client, "/v2/version", &version)
			d := version.Features.OffsetCheckpoint.MaxDelay
			const most = 24 * 60 * 60
			return time.Duration(min(max(d.Seconds, 0), most))*time.Second + time.Duration(min(max(d.Nanos, 0), int64(time.Second))), err
		},
		ParticipantID: func(ctx context.Context) (string, error) {
			var id struct {
				ParticipantID string `json:"participantId"`
			}
			err := get(ctx, client, "/v2/parties/participant-id", &id)
			return id.ParticipantID, err
		},
		Ready: func(ctx context.Context) error { return client.WaitHealthy(ctx, 1) },
	}
}

// get reads a JSON page.
func get(ctx context.Context, client *jsonapi.Client, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, client.BaseURL()+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.HTTP().Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, jsonapi.CleanText(resp.Status))
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into)
}
