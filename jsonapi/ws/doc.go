// Package ws reads the websocket streams of a JSON API without interruption.
//
// # Why
//
// The JSON API has updates, completions and active contracts as websockets. A websocket
// ends when its server is restarted, when the participant's active replica changes, and
// when a token expires, and a program that only reads does not notice. This package
// opens it again after the last offset, on the server that is active by then, as package
// ledger does for gRPC: it is the same code, with the same causes, pauses, errors and
// monitor.
//
//	for update, err := range ws.Updates(ctx, client, stored, request, ws.StreamOptions{}) {
//		if err != nil {
//			return err
//		}
//		// in one transaction: do what update.Msg says, and store update.Offset
//	}
//
// # How
//
// Streams are opened through a jsonapi.Client, which picks the endpoint and adds its
// token, as the subprotocol jwt.token.TOKEN besides daml.ws.auth: Canton 2 takes it there
// alone. After a switch of the active endpoint the client ends the websocket, once
// Failover.Drain is over, and it is opened again. A message is one JSON text, and stays
// undecoded: decode it with the types of your choice.
//
// An error that the server sends as a message becomes a gRPC status with its details, so
// that package cantonerr reads it as it reads those of gRPC.
//
// [UpdatesPath] and the other paths are those of Canton 3.4 and later. The websockets of
// Canton 2, /v1/stream/query and /v1/stream/fetch, have other messages and no offsets that
// continue: [Dial] opens them.
//
// # Defaults
//
// A message has at most 64 MiB. While a stream is awaited and silent, its server is pinged
// every 20 s, and has 10 s to answer. It has 10 s to answer a handshake, too, after which the
// stream is opened again.
package ws
