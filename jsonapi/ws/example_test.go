package ws_test

import (
	"context"
	"fmt"

	"github.com/cantonlb/cantonlb/jsonapi"
	"github.com/cantonlb/cantonlb/jsonapi/ws"
	"github.com/cantonlb/cantonlb/ledger"
)

func ExampleUpdates() {
	follow := func(ctx context.Context, client *jsonapi.Client, stored ledger.Offset) error {
		request := map[string]any{"updateFormat": map[string]any{ /* of your parties */ }}
		o := ws.StreamOptions{Ledger: ledger.Options[ws.Message]{Node: ws.NodeOf(client)}}
		for update, err := range ws.Updates(ctx, client, stored, request, o) {
			if err != nil {
				return err
			}
			fmt.Println(update.Offset, string(update.Msg)) // and store both in one transaction
		}
		return nil
	}
	_ = follow
}
