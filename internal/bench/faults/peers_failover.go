package faults

import (
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
)

// The ids of following that checks name.
const (
	idActive     = "ours-active"
	idActiveOnce = "ours-active-once"
	idPickFirst  = "pick-first"
	idSingle     = "single"
)

// following are the peers for replicas of which one is active. idHAProxy, which is
// among spreading, is one too, because it uses every healthy server.
var following = []peer{
	{
		id: idActive, family: ours, label: "role ParticipantLedger, calls wait for an active, calls declared idempotent",
		idempotent: true, open: openOurs(participant),
	},
	{
		id: idActiveOnce, family: ours, label: "role ParticipantLedger, calls wait for an active, calls not idempotent",
		open: openOurs(participant),
	},
	{
		id: idPickFirst, family: grpcGo, label: "pick_first over all addresses",
		open: openGRPC(`{` + pickFirst + `}`),
	},
	{
		id: "pick-first-tuned", family: grpcGo,
		label: "pick_first over all addresses, waitForReady, retryPolicy for UNAVAILABLE, keepalive 10 s (its least) and 1 s, " +
			"reconnects within 1 s",
		idempotent: true,
		open:       openGRPC(`{`+pickFirst+`,`+patience+`}`, pings(), grpc.WithConnectParams(backoffUpTo(time.Second))),
	},
	{
		id: idSingle, family: grpcGo, label: "a plain channel to the address of the first active alone",
		open: openGRPC(`{}`), single: true,
	},
	{
		id: "haproxy-3s", family: haproxy, label: "the same, with Canton's own test's `inter 3s rise 1`",
		open: openProxy(`{}`), proxy: "haproxy.cfg", check: "inter 3s rise 1",
	},
	{
		id: "haproxy-fast", family: haproxy,
		label: "gRPC Check every 0.2 s, fall 2, rise 1, observe layer4, sessions cut on down, redispatch; client with retryPolicy " +
			"and waitForReady",
		idempotent: true, open: openProxy(`{` + patience + `}`), proxy: "haproxy-tuned.cfg", check: "inter 200ms rise 1",
	},
}

// followers returns the peers of the suite Failover, in the order of the tables.
func followers() []peer {
	documented, _ := peerByID(idHAProxy)
	return slices.Insert(slices.Clone(following), len(following)-2, documented)
}

// participant is this library's configuration for a participant. No call should
// fail because of a takeover, so calls wait.
var participant = cantonlb.Config{Role: cantonlb.ParticipantLedger, NoneEligible: cantonlb.Wait}

const (
	pickFirst = `"loadBalancingConfig": [{"pick_first": {}}]`
	// patience is the best retry policy of grpc-go for a takeover: five attempts are
	// its limit.
	patience = `"methodConfig": [{"name": [{}], "waitForReady": true, "retryPolicy": {
		"maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "2s", "backoffMultiplier": 2,
		"retryableStatusCodes": ["UNAVAILABLE"]}}]`
)
