package faults

import (
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/leastrequest"       // a peer
	_ "google.golang.org/grpc/balancer/weightedroundrobin" // a peer

	"github.com/cantonlb/cantonlb"
)

// The ids of the peers that checks of the suite Slow name.
const (
	idOursHedged      = "ours-hedged"
	idOursLeast       = "ours-least-loaded"
	idOursLeastHedged = "ours-least-loaded-hedged"
)

const (
	weightedRoundRobin = `"loadBalancingConfig": [{"weighted_round_robin": {"blackoutPeriod": "1s", "weightUpdatePeriod": "1s"}}]`
	leastRequest       = `"loadBalancingConfig": [{"least_request_experimental": {"choiceCount": 2}}]`
)

// heeding are the peers that heed how loaded a server is.
var heeding = []peer{
	{
		id: idOursLeastHedged, family: ours, label: "healthy_least_loaded, Hedge, calls declared idempotent",
		idempotent: true, open: openOurs(cantonlb.Config{Policy: cantonlb.HealthyLeastLoaded, Hedge: &cantonlb.Hedge{}}),
	},
	{
		id: "wrr", family: grpcGo, label: "weighted_round_robin, ORCA reports with each call, weights updated every second",
		open: openGRPC(`{` + weightedRoundRobin + `}`),
	},
	{
		id: "wrr-tuned", family: grpcGo,
		label:      "the same, healthCheckConfig, retryPolicy for UNAVAILABLE, reconnects within 1 s",
		idempotent: true,
		open:       openGRPC(`{`+weightedRoundRobin+`,`+channelHealth+`,`+retries+`}`, grpc.WithConnectParams(backoffUpTo(time.Second))),
	},
	{
		id: "least-request", family: grpcGo, label: "least_request",
		open: openGRPC(`{` + leastRequest + `}`),
	},
	{
		id: "least-request-tuned", family: grpcGo,
		label:      "least_request, healthCheckConfig, retryPolicy for UNAVAILABLE, reconnects within 1 s",
		idempotent: true,
		open:       openGRPC(`{`+leastRequest+`,`+channelHealth+`,`+retries+`}`, grpc.WithConnectParams(backoffUpTo(time.Second))),
	},
	{
		id: "haproxy-leastconn", family: haproxy, label: "balance leastconn, GET /health every 2 s, fall 3, rise 2",
		open: openProxy(`{}`), proxy: "haproxy.cfg", balance: "leastconn",
	},
	{
		id: "haproxy-leastconn-tuned", family: haproxy,
		label:      "balance leastconn, and as haproxy-tuned; client with retryPolicy",
		idempotent: true, open: openProxy(`{` + retries + `}`), proxy: "haproxy-tuned.cfg", balance: "leastconn",
	},
	{
		id: "nginx-least-conn", family: nginx, label: "least_conn, nothing else",
		open: openProxy(`{}`), proxy: "nginx.conf", balance: "least_conn",
	},
	{
		id: "nginx-least-conn-tuned", family: nginx,
		label:      "least_conn, and as nginx-tuned; client with retryPolicy",
		idempotent: true, open: openProxy(`{` + retries + `}`), proxy: "nginx-tuned.conf", balance: "least_conn",
	},
}

// weighing returns the peers of the suite Slow, in the order of the tables.
func weighing() []peer {
	var list []peer
	for _, id := range []string{idOurs, idOursHedged, idOursLeast} {
		p, _ := peerByID(id)
		list = append(list, p)
	}
	list = append(list, heeding[0])
	for _, id := range []string{idRR, "rr-tuned", "rr-outlier"} {
		p, _ := peerByID(id)
		list = append(list, p)
	}
	return append(list, heeding[1:]...)
}
