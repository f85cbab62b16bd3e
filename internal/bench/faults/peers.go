package faults

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
)

// family is the project that a peer belongs to.
type family string

const (
	ours    family = "cantonlb"
	grpcGo  family = "grpc-go"
	haproxy family = "HAProxy"
	nginx   family = "nginx"
)

// peer is one way to reach the servers, including those with this library.
type peer struct {
	id     string
	family family
	label  string // what is set, for the tables
	// idempotent says that the peer's calls are declared idempotent (methodRead) and
	// may be reissued.
	idempotent bool
	open       opener
	proxy      string // the name of its config in proxies/; empty without a proxy
	check      string // what else its config says about each server's check
	single     bool   // it knows the first server only
	balance    string // how the proxy picks, if not in turn
}

// The ids that checks and scenarios name.
const (
	idOurs         = "ours"
	idOursOnce     = "ours-once"
	idOursFast     = "ours-fast"
	idOursFastOnce = "ours-fast-once"
	idOurs10s      = "ours-10s"
	idOurs10sOnce  = "ours-10s-once"
	// Health is checked by GET /health on a port of its own.
	idOursElsewhere     = "ours-http"
	idOursElsewhereOnce = "ours-http-once"
	idRR                = "rr"
	idRRHealth          = "rr-health"
	idHAProxy           = "haproxy"
)

var (
	fastHealth = healthcheck.Config{
		Interval: 200 * time.Millisecond, Timeout: 200 * time.Millisecond, Silence: 200 * time.Millisecond,
	}
	elsewhere  = healthcheck.Config{HTTP: "http://{host}:" + strconv.Itoa(privateHealthPort) + "/health"}
	rareHealth = healthcheck.Config{Interval: 10 * time.Second}
)

// peers lists all peers, in the order of the tables. Each kind runs with its
// defaults and with the best tuning that we know.
var peers = slices.Concat(spreading, following, heeding)

// spreading are the peers that spread calls over all servers.
var spreading = []peer{
	{
		id: idOurs, family: ours, label: "defaults, calls declared idempotent",
		idempotent: true, open: openOurs(cantonlb.Config{}),
	},
	{
		id: idOursOnce, family: ours, label: "defaults, calls not idempotent",
		open: openOurs(cantonlb.Config{}),
	},
	{
		id: idOursHedged, family: ours, label: "Hedge, calls declared idempotent",
		idempotent: true, open: openOurs(cantonlb.Config{Hedge: &cantonlb.Hedge{}}),
	},
	{
		id: idOursLeast, family: ours, label: "healthy_least_loaded, calls declared idempotent",
		idempotent: true, open: openOurs(cantonlb.Config{Policy: cantonlb.HealthyLeastLoaded}),
	},
	{
		id: idOursFast, family: ours, label: "interval, timeout and silence 0.2 s, calls declared idempotent",
		idempotent: true, open: openOurs(cantonlb.Config{HealthCheck: fastHealth}),
	},
	{
		id: idOursFastOnce, family: ours, label: "interval, timeout and silence 0.2 s, calls not idempotent",
		open: openOurs(cantonlb.Config{HealthCheck: fastHealth}),
	},
	{
		id: idOurs10s, family: ours, label: "interval 10 s, calls declared idempotent",
		idempotent: true, open: openOurs(cantonlb.Config{HealthCheck: rareHealth}),
	},
	{
		id: idOurs10sOnce, family: ours, label: "interval 10 s, calls not idempotent",
		open: openOurs(cantonlb.Config{HealthCheck: rareHealth}),
	},
	{
		id: idOursElsewhere, family: ours, label: "GET /health on another port, calls declared idempotent",
		idempotent: true, open: openOurs(cantonlb.Config{HealthCheck: elsewhere}),
	},
	{
		id: idOursElsewhereOnce, family: ours, label: "GET /health on another port, calls not idempotent",
		open: openOurs(cantonlb.Config{HealthCheck: elsewhere}),
	},
	{
		id: idRR, family: grpcGo, label: "round_robin",
		open: openGRPC(`{` + plainRoundRobin + `}`),
	},
	{
		id: idRRHealth, family: grpcGo, label: "round_robin, healthCheckConfig",
		open: openGRPC(`{` + plainRoundRobin + `,` + channelHealth + `}`),
	},
	{
		id: "rr-tuned", family: grpcGo,
		label:      "round_robin, healthCheckConfig, retryPolicy for UNAVAILABLE, keepalive 10 s (its least) and 1 s, reconnects within 1 s",
		idempotent: true,
		open: openGRPC(`{`+plainRoundRobin+`,`+channelHealth+`,`+retries+`}`,
			pings(), grpc.WithConnectParams(backoffUpTo(time.Second))),
	},
	{
		id: "rr-outlier", family: grpcGo,
		label:      "outlier_detection (interval 1 s, ejected for 5 s) over round_robin, healthCheckConfig, retryPolicy, reconnects within 1 s",
		idempotent: true,
		open: openGRPC(`{`+outlierEjection+`,`+channelHealth+`,`+retries+`}`,
			grpc.WithConnectParams(backoffUpTo(time.Second))),
	},
	{
		id: idHAProxy, family: haproxy, label: "as Canton's documentation has it: GET /health every 2 s, fall 3, rise 2",
		open: openProxy(`{}`), proxy: "haproxy.cfg",
	},
	{
		id: "haproxy-tuned", family: haproxy,
		label:      "gRPC Check every 0.5 s (0.2 s when in doubt), fall 2, observe layer4, sessions cut on down, redispatch; client with retryPolicy",
		idempotent: true, open: openProxy(`{` + retries + `}`), proxy: "haproxy-tuned.cfg",
	},
	{
		id: "nginx", family: nginx, label: "grpc_pass and an upstream, nothing else",
		open: openProxy(`{}`), proxy: "nginx.conf",
	},
	{
		id: "nginx-tuned", family: nginx,
		label:      "kept connections, no answer for 0.5 s is tried elsewhere, fail_timeout 2 s; client with retryPolicy",
		idempotent: true, open: openProxy(`{` + retries + `}`), proxy: "nginx-tuned.conf",
	},
}

// abreast returns the peers of the fault table. This library's other peers are only
// for the acceptance tests.
func abreast() []string {
	return slices.DeleteFunc(idsOf(spreading), func(id string) bool {
		return id == idOursFastOnce || id == idOurs10sOnce || id == idOursElsewhere || id == idOursElsewhereOnce
	})
}

// replaceable returns the peers whose list of servers the client can replace.
func replaceable() []string {
	return slices.DeleteFunc(abreast(), func(id string) bool {
		p, _ := peerByID(id)
		return p.proxy != ""
	})
}

func peerByID(id string) (peer, bool) {
	i := slices.IndexFunc(peers, func(p peer) bool { return p.id == id })
	if i < 0 {
		return peer{}, false
	}
	return peers[i], true
}

func peerList() []string { return idsOf(peers) }

func idsOf(list []peer) []string {
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.id
	}
	return ids
}

func peerIDs() string { return strings.Join(peerList(), ", ") }
