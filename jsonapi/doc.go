// Package jsonapi sends HTTP requests to a service that runs on several servers, such as
// the HTTP JSON API of a Canton participant.
//
// # Why
//
// A program that has one base URL on http.DefaultClient stops working when that server
// does, and waits for a server that hangs. A client that retries by itself does not know
// which requests may be executed twice: most reads of the JSON API are POSTs, and a
// command that is submitted again may be a second payment. This package knows the API. It
// probes every server, picks one that is ready, and sends a request again only if that is
// safe:
//
//	client, err := jsonapi.New(jsonapi.Config{
//		Endpoints: []jsonapi.Endpoint{
//			{Name: "json1", Address: "https://json1.example.com:7575"},
//			{Name: "json2", Address: "https://json2.example.com:7575"},
//		},
//	})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	resp, err := client.HTTP().Get("http://ledger/v2/version")
//
// # The logical host
//
// Requests are made to http://ledger/..., or the host that Config.Host names, and to no
// other host. The client replaces the host by an endpoint's base URL, keeps its Host and
// the name of its certificate, and adds the endpoint's own token, unless the request has
// an Authorization. A Location below the base URL of an endpoint is mapped back to the
// logical host. A redirect to any other host is a [HostError], so that no token leaves
// the service.
//
// # Health
//
// A probe gets /readyz, and /livez of an endpoint that is not ready or does not answer, so
// that status and errors distinguish a server that is not ready from one that hangs. Package
// healthcheck documents the schedule. While requests are in flight and nothing arrives,
// the endpoint is probed at once. Anything that arrives is a sign of life: a long download
// is not canceled. An endpoint whose probes pass while its requests fail is ejected.
//
// With the role [JSONAPI], one endpoint is active, as its participant is: package failover
// documents the choice. With [JSONAPI2] and others, all eligible endpoints are picked.
// Status, events, reasons, the status page, the metrics of package otelmetrics and the
// command cantonlb are the same as for gRPC clients.
//
// # What is sent again
//
//	                                     never sent   no response   502, 503, 504
//	GET, HEAD, OPTIONS, TRACE            yes          yes           yes
//	PUT, DELETE                          yes          yes           yes
//	POSTs that the API defines as reads  yes          yes           yes
//	with an (X-)Idempotency-Key          yes          yes           yes
//	that Config.Idempotent names         yes          yes           yes
//	commands with a command ID           yes          yes           yes
//	any other                            yes          no            no
//
// A request was never sent if no byte of it was written to a connection. "No response"
// includes a request that is called off because its endpoint became unhealthy during the
// request: it is rescued. Attempts are bounded by MaxAttempts, the RetryBudget and the
// request's context. Retry-After is honoured if there is no other endpoint. An idempotent
// request that is answered 401 to the endpoint's own token is sent to another endpoint, if there is one. A
// DELETE that a later attempt answers with 404 has been done by an earlier one: the
// response is 200, or 204 if the 404 was no JSON.
//
// A command is sent again only within its deduplication period, with the same command ID,
// and if its user and parties do not depend on the endpoint's token: see [SafetyResubmit].
// The servers of a client belong to one participant service, which executes it at most
// once. A command whose first attempt was executed and whose response was lost is answered
// 409 DUPLICATE_COMMAND. Package ledger submits over gRPC and finds out more.
//
// The body of a request is sent again by its GetBody, which http.NewRequest sets, or from
// a copy of at most MaxReplay bytes.
//
// # Defaults
//
// Requests wait for an active endpoint, as during a takeover, until their context ends,
// and for a minute if it has no deadline. Set deadlines: those of a minute survive a
// takeover. [Config] documents the other defaults.
package jsonapi
