// Package statuspage serves a page that shows a client's endpoints as they are now
// and as they were in the last 15 minutes.
//
// # Why
//
// The first question in production is "which endpoint, and why". The page answers
// it in five seconds, on a phone too, with the same words as errors, logs, metrics
// and events:
//
//	page := statuspage.Handler(client)
//	defer page.Close()
//	mux.Handle("/debug/endpoints", page)
//
// It follows the client by server-sent events, and is a plain page without
// JavaScript. Every address is a query of the one path on which it is mounted:
//
//	?show=all|STATE         all endpoints, or those in one state
//	?explain=NAME           why the endpoint with this name is picked, or is not
//	?format=json|text       the same for programs and for terminals; of all
//	                        endpoints, whatever ?show says
//
// # Guard it
//
// The page shows names, addresses, and what servers say in their errors. It holds
// no secret, changes nothing, and asks nobody who they are: serve it on an
// internal port, or behind what guards your other debug pages. That holds the more
// with WithActions, which adds buttons that drain endpoints and switch.
//
// # Defaults
//
// The page asks the client for its status once a second, and when an event comes,
// and takes at most 2 % of a processor for it while nobody looks: with many
// endpoints it asks less often. It remembers 15 minutes: the states of each endpoint
// (64 at most) and when it was the active, and the longest round trip of its probes in every 15 seconds. It
// shows 250 endpoints, of a longer list those first that are not healthy, unless it
// is asked for all; and the newest 50 events. At most 32 viewers are live at a
// time. A viewer who reads too slowly skips what lies between, and one who takes
// longer than 10 s to read anything is let go.
package statuspage
