package faults

import (
	"slices"
	"time"
)

// scenario is one kind of fault, with the peers that are measured during it.
type scenario struct {
	id    string
	part  part
	title string

	script  script
	servers int           // default 3
	halves  bool          // the clients know the first half of the servers
	answers bool          // the disturbed server still receives calls: count them
	network bool          // needs network namespaces
	maxAge  time.Duration // of the servers' connections
	streams uint32        // the servers' limit of streams on a connection; 0 is none
	// virtual makes the first server, which is the one that is disturbed, one of two
	// behind a virtual address. The other one is the last, which no client knows.
	virtual bool
	// standby makes the servers replicas that share a lock, and takeover is how long
	// a takeover takes.
	standby  standby
	takeover time.Duration

	reports bool // the servers report their load

	peers    []string      // default abreast
	rate     int           // calls a second of each peer; default callRate
	service  time.Duration // how long a call takes in the server; default callTime, instantly for none
	deadline time.Duration // of each call; default callDeadline
	payload  int           // bytes of each request
	// onceDeadline is the deadline of calls that are not idempotent, if it differs.
	onceDeadline time.Duration

	full  plan
	short plan // without runs: not in a short run
}

// plan says how long and how often a scenario is run.
type plan struct {
	runs int
	// hold is how long the fault lasts, and after is how long the load continues
	// after the fault.
	hold, after time.Duration
	// warmUp is how long the load runs before the measurement, and lead is how long
	// it then runs before the fault.
	warmUp, lead time.Duration
}

// lasts returns the length of a run, without starting and ending processes.
func (p plan) lasts() time.Duration { return p.warmUp + p.lead + p.hold + p.after }

// part is the part of the report that contains a scenario.
type part string

const (
	partFaults     part = "faults"
	partAcceptance part = "acceptance"
	partLatency    part = "latency"
)

const (
	callRate     = 100
	callTime     = 5 * time.Millisecond
	callDeadline = 2 * time.Second
	instantly    = -1
	warmUp       = 1500 * time.Millisecond
	lead         = time.Second

	acceptanceRate = 900
	latencyRate    = 400
)

// has reports whether the peer takes part in the scenario.
func (s *scenario) has(peer string) bool { return slices.Contains(s.peers, peer) }

func (s *scenario) deadlineOf(p peer) time.Duration {
	if s.onceDeadline > 0 && !p.idempotent {
		return s.onceDeadline
	}
	return s.deadline
}

// The ids that checks name.
const (
	idSIGSTOP    = "sigstop"
	idSIGKILL    = "sigkill"
	idRestart    = "restart"
	idNotServing = "notserving"
	idRolling    = "rolling"
	idGoAway     = "goaway"
	idForgotten  = "forgotten"
	idMute       = "mute"
	idVirtual    = "virtual"
	idSlowLink   = "slow-link"
	idStopped    = "client-stopped"
	idList       = "list"
	idFail       = "fail"
	idSlow       = "slow"
	idNoReply    = "no-reply"
	idFailOf2    = "fail-of-2"
	idOutage20   = "outage-20s"
	idOutage180  = "outage-180s"

	idAcceptDefaults = "accept-defaults"
	idAccept10s      = "accept-interval-10s"
	idAcceptFast     = "accept-fast"
	idLatency        = "p50"
)

// scenarios returns the scenarios of the suite Faults, in the order of the report.
func scenarios() []*scenario {
	list := slices.Concat(faultScenarios(), acceptanceScenarios())
	for _, sc := range list {
		sc.fillIn()
	}
	return list
}

func (s *scenario) fillIn() {
	if s.servers == 0 {
		s.servers = 3
	}
	if s.peers == nil {
		s.peers = abreast()
	}
	if s.rate == 0 {
		s.rate = callRate
	}
	if s.service == 0 {
		s.service = callTime
	}
	s.service = max(0, s.service) // instantly
	if s.deadline == 0 {
		s.deadline = callDeadline
	}
	for _, p := range []*plan{&s.full, &s.short} {
		p.warmUp, p.lead = warmUp, lead
	}
}

func faultScenarios() []*scenario {
	const s, ms = time.Second, time.Millisecond
	list := []*scenario{
		{
			id: idSIGSTOP, title: "One of three hangs: SIGSTOP, then SIGCONT",
			script: toVictim(sigstop, sigcont),
			full:   plan{runs: 5, hold: 14 * s, after: 3 * s}, short: plan{runs: 1, hold: 5 * s, after: 2 * s},
		},
		{
			id: idSIGKILL, title: "One of three is killed: SIGKILL, then started again",
			script: toVictim(kill, restart),
			full:   plan{runs: 5, hold: 3 * s, after: 4 * s}, short: plan{runs: 1, hold: 2 * s, after: 2500 * ms},
		},
		{
			id: idRestart, title: "One of three is restarted: a graceful stop, then started again",
			script: toVictim(stop, restart),
			full:   plan{runs: 5, hold: 3 * s, after: 4 * s},
		},
		{
			id: idNotServing, title: "One of three reports NOT_SERVING, while it still answers, then SERVING",
			answers: true, script: toVictim(claim(false), claim(true)),
			full: plan{runs: 5, hold: 4 * s, after: 3 * s}, short: plan{runs: 1, hold: 2 * s, after: 2 * s},
		},
		{
			id: idSlow, title: "One of three is ten times slower",
			answers: true, script: toVictim(behave(modeSlow), behave(modeNormal)),
			full: plan{runs: 5, hold: 5 * s, after: 2 * s},
		},
		{
			id: idFail, title: "Half-dead: health passes, every call fails UNAVAILABLE at once, on one of three",
			answers: true, script: toVictim(behave(modeFail), behave(modeNormal)),
			full: plan{runs: 1, hold: 8 * s, after: 12 * s}, short: plan{runs: 1, hold: 5 * s, after: 1 * s},
		},
		{
			id: idFailOf2, title: "Half-dead: health passes, every call fails UNAVAILABLE at once, on one of two", servers: 2,
			answers: true, script: toVictim(behave(modeFail), behave(modeNormal)),
			full: plan{runs: 1, hold: 8 * s, after: 12 * s},
		},
		{
			id: idNoReply, title: "Health passes, no call is answered, on one of three",
			answers: true, script: toVictim(behave(modeNoReply), behave(modeNormal)),
			full: plan{runs: 1, hold: 12 * s, after: 3 * s},
		},
		{
			id: "drop", title: "Packets to and from one of three are dropped", network: true,
			script: toVictim(drop(bothWays), undrop(bothWays)),
			full:   plan{runs: 1, hold: 14 * s, after: 12 * s}, short: plan{runs: 1, hold: 5 * s, after: 3 * s},
		},
		{
			id: "drop-to", title: "Packets to one of three are dropped, those from it arrive", network: true,
			script: toVictim(drop(toServer), undrop(toServer)),
			full:   plan{runs: 1, hold: 14 * s, after: 12 * s},
		},
		{
			id: "drop-from", title: "Packets from one of three are dropped, those to it arrive", network: true,
			script: toVictim(drop(fromServer), undrop(fromServer)),
			full:   plan{runs: 1, hold: 14 * s, after: 12 * s},
		},
		{
			id: idForgotten, title: "The path forgets the connections to one of three: nothing passes on them, and new ones work",
			network: true, script: toVictim(forgetting, undrop(toServer)),
			peers: append(abreast(), idOursElsewhere, idOursElsewhereOnce),
			full:  plan{runs: 1, hold: 14 * s, after: 3 * s},
		},
		{
			id: idMute, title: "One of three answers nothing, while its HTTP/2 still acknowledges pings and returns credit",
			answers: true, script: toVictim(behave(modeMute), behave(modeNormal)),
			full: plan{runs: 1, hold: 12 * s, after: 3 * s}, short: plan{runs: 1, hold: 4 * s, after: 1 * s},
		},
		{
			id: idVirtual,
			title: "A machine behind one of three addresses answers nothing, with its streams used up, " +
				"and new connections reach another machine",
			servers: 4, streams: 20, virtual: true,
			answers: true, script: toVictim(turning(true, behave(modeMute)), turning(false, behave(modeNormal))),
			full: plan{runs: 1, hold: 10 * s, after: 3 * s},
		},
		{
			id: idSlowLink, title: "The link to one of three passes 256 KiB a second, and each call sends 192 KiB", network: true,
			answers: true, script: toVictim(slowing, hastening),
			peers: []string{idOurs, idOursOnce, idRR}, rate: 1, payload: 192 << 10, deadline: 20 * s,
			full: plan{runs: 1, hold: 20 * s, after: 2 * s},
		},
		{
			id: idStopped, title: "The clients are stopped, and all servers are well: SIGSTOP, then SIGCONT",
			script: stoppingClients, peers: replaceable(), deadline: 20 * s,
			full: plan{runs: 1, hold: 10 * s, after: 5 * s},
		},
		{
			id: "flapping", title: "One of three flaps: killed, and started again a second later, every two seconds",
			script: flapping(kill, restart),
			full:   plan{runs: 1, hold: 10 * s, after: 4 * s},
		},
		{
			id: "all-down", title: "All three are killed, then started again",
			script: toAll(kill, restart),
			full:   plan{runs: 1, hold: 3 * s, after: 6 * s},
		},
		{
			id: idRolling, title: "Rolling restart: each server stops gracefully and is started again, one after the other",
			script: rolling(stop, restart),
			full:   plan{runs: 1, hold: 12 * s, after: 3 * s}, short: plan{runs: 1, hold: 6 * s, after: 1 * s},
		},
		{
			id: idGoAway, title: "MaxConnectionAge 1 s: every connection gets GOAWAY continuously", maxAge: s,
			script: nothing,
			full:   plan{runs: 1, hold: 10 * s}, short: plan{runs: 1, hold: 4 * s},
		},
		{
			id: idList, title: "The list is replaced by three other servers, every 2 s", servers: 6, halves: true, peers: replaceable(),
			script: replacing,
			full:   plan{runs: 1, hold: 8 * s, after: 1 * s}, short: plan{runs: 1, hold: 4 * s, after: 1 * s},
		},
		{
			id: idOutage20, title: "One of three is killed, and started again after 20 s",
			script: toVictim(kill, restart),
			full:   plan{runs: 5, hold: 20 * s, after: 8 * s},
		},
		{
			id: idOutage180, title: "One of three is killed, and started again after 3 minutes",
			script: toVictim(kill, restart),
			full:   plan{runs: 1, hold: 180 * s, after: 12 * s},
		},
	}
	for _, sc := range list {
		sc.part = partFaults
	}
	return list
}

// acceptanceScenarios returns the acceptance tests of this library at 900 calls a
// second, together with grpc-go at the same rate, and the cost in latency without a
// fault, for calls that take no time.
func acceptanceScenarios() []*scenario {
	const s = time.Second
	hang := func(id, title string, deadline time.Duration, shortRuns int, peers ...string) *scenario {
		return &scenario{
			id: id, part: partAcceptance, title: title, script: toVictim(sigstop, sigcont),
			peers: append(peers, idRR), rate: acceptanceRate, deadline: deadline, onceDeadline: s,
			full: plan{runs: 5, hold: 5 * s, after: 1 * s}, short: plan{runs: shortRuns, hold: 3 * s, after: 1 * s},
		}
	}
	return []*scenario{
		hang(idAcceptDefaults, "One of three hangs, defaults", 2*s, 1, idOurs, idOursOnce),
		hang(idAccept10s, "One of three hangs, interval 10 s", 2*s, 0, idOurs10s, idOurs10sOnce),
		hang(idAcceptFast, "One of three hangs, interval, timeout and silence 0.2 s", 1*s, 1, idOursFast, idOursFastOnce),
		{
			id: idLatency, part: partLatency, title: "No fault, and a call takes no time in the server",
			script: nothing, peers: []string{idOurs, idOursOnce, idRR, idRRHealth}, rate: latencyRate, service: instantly,
			full: plan{runs: 10, hold: 4 * s}, short: plan{runs: 2, hold: 2 * s},
		},
	}
}
