// Package statuspage serves a page that shows a client's endpoints as they are now
// and as they were in the last 15 minutes.
//
// # Why
//
// The first question in production is "which endpoint, and why". The page answers
// it at a glance, on a phone too, with the same words as errors, logs, metrics and
// events:
//
//	page := statuspage.Handler(client)
//	defer page.Close()
//	mux.Handle("/debug/endpoints", page)
//
// With WithLeases the page also shows the leases that the program is a candidate for
// (package lease), and with WithShards the shards of a router (package shard).
//
// The page is updated by server-sent events. Without JavaScript it is a plain page
// that reloads. Every address is a query of the one path on which it is mounted:
//
//	?show=all|STATE         all endpoints, or those in one state
//	?explain=NAME           why the endpoint with this name is picked or not picked
//	?party=PARTY            which shard hosts a party, and where its requests go, by what
//	                        is known: the page looks nothing up
//	?format=json|text       the same for programs and for terminals, always for all
//	                        endpoints, regardless of ?show
//
// # Guard it
//
// The page shows names, addresses, and the error messages of servers. It contains
// no secret, changes nothing, and does not authenticate its viewers: serve it on an
// internal port, or behind the protection of your other debug pages. This matters
// even more with WithActions, which adds buttons that drain endpoints and switch.
//
// # Defaults
//
// The page asks the client for its status once a second and at each event. This
// takes at most 2 % of a processor while the page has no viewers: with many
// endpoints it asks less often. It remembers 15 minutes: the states of each
// endpoint (64 at most) and when it was the active one, and the longest round trip
// of its probes in every 15 seconds. It shows 250 endpoints, unless it is asked for
// all; of a longer list, those that are not healthy come first. It shows the newest
// 300 events, of which a quarter at most are suspicions that affect no call. At most 32
// viewers are live at a time. If there are more, the one that has followed the page for
// longest is disconnected, after 10 s at the earliest; a browser reconnects by itself. A
// viewer that reads too slowly skips intermediate updates, and one that takes longer
// than 10 s to read an update is disconnected.
package statuspage
