package faults

import (
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"
)

// childEnv makes this program one of its own children; its value is a
// childConfig as JSON.
const childEnv = "CANTONLB_BENCH_CHILD"

// childConfig says what a child is: a server, a client, or without either a process
// that only holds a network namespace.
type childConfig struct {
	Server *serverConfig `json:"server,omitempty"`
	Client *clientConfig `json:"client,omitempty"`
}

// A child reads orders from its standard input and writes messages to its
// standard output, both JSON. It answers every order with one message, and ends
// when its input does.
type order struct {
	Op      op        `json:"op"`
	At      time.Time `json:"at,omitzero"`       // begin
	Servers []string  `json:"servers,omitempty"` // replace
	Serving bool      `json:"serving,omitempty"` // health
	Mode    mode      `json:"mode,omitempty"`    // behave
}

type op string

const (
	opBegin   op = "begin"   // client: load from At on
	opReplace op = "replace" // client: another list of servers
	opFinish  op = "finish"  // client: no more calls; server: a graceful stop
	opHealth  op = "health"  // server: what it says of its health
	opBehave  op = "behave"  // server: how it treats calls
	opLead    op = "lead"    // server: be the active
	opStandBy op = "standBy" // server: be passive
)

// mode is how a server treats calls. Its health depends on it only in modeMute.
type mode string

const (
	modeNormal  mode = "normal"
	modeFail    mode = "fail"    // UNAVAILABLE at once
	modeNoReply mode = "noReply" // no answer until the mode changes
	modeSlow    mode = "slow"    // slowFactor times slower
	modeMute    mode = "mute"    // no answer to anything, health checks included
	modeStuck   mode = "stuck"   // a call takes stuckTime
)

const slowFactor = 10

// stuckTime is that of the slow server in Linkerd's experiment.
const stuckTime = 2 * time.Second

// message is a message of a child.
type message struct {
	Kind kind `json:"kind"`
	// At is when a server began to listen, an order took effect, or the last of
	// Arrived arrived.
	At    time.Time `json:"at,omitzero"`
	Error string    `json:"error,omitempty"`
	// Arrived is what has arrived at a server since its last report.
	Arrived map[string]arrivals `json:"arrived,omitempty"`
	// Result is the result of a client's load.
	Result *result `json:"result,omitempty"`
}

type kind string

const (
	saysReady   kind = "ready"   // once, at the start
	saysDone    kind = "done"    // after an order
	saysArrived kind = "arrived" // by a server every tallyEvery, unasked
)

// arrivals counts what one client sent to one server.
type arrivals struct {
	Calls   int `json:"calls,omitempty"`
	Passive int `json:"passive,omitempty"` // calls beyond these, turned away because the server is passive
	Probes  int `json:"probes,omitempty"`  // health RPCs, and GETs of a proxy
}

func (a arrivals) plus(b arrivals) arrivals {
	return arrivals{Calls: a.Calls + b.Calls, Passive: a.Passive + b.Passive, Probes: a.Probes + b.Probes}
}

// result is the result of one client's load.
type result struct {
	Calls []call        `json:"calls"`
	CPU   time.Duration `json:"cpu"` // its process used from begin to finish
	// Switches are the switches of an active-passive client of this library.
	Switches []switched `json:"switches,omitempty"`
}

// switched is a switch, as reported by a client's events. From and To are
// addresses.
type switched struct {
	At     int64  `json:"at"` // in microseconds since 1970
	From   string `json:"from,omitempty"`
	To     string `json:"to"`
	Reason string `json:"reason"`
}

// call is one call of the load. Times are in microseconds, due since 1970.
type call struct {
	Due    int64  `json:"d"`
	Took   int64  `json:"t"`           // from due to the end, as seen by the caller
	Server string `json:"s,omitempty"` // that answered; empty if the call failed
	Code   uint32 `json:"c,omitempty"` // of grpc; 0 is OK
}

// mouth writes messages to the parent. It is safe for concurrent use.
type mouth struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (m *mouth) say(msg message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.out.Encode(msg)
}

// done answers an order, which took effect at a time.
func (m *mouth) done(at time.Time, err error) error {
	msg := message{Kind: saysDone, At: at}
	if err != nil {
		msg.Error = err.Error()
	}
	return m.say(msg)
}

// Child runs this process's part in a fault run, if it was started for one. The
// program must call it first, and exit with the code if is is true.
func Child() (code int, is bool) {
	text, is := os.LookupEnv(childEnv)
	if !is {
		return 0, false
	}
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		complain(err)
		return 1, true
	}
	out := &mouth{out: json.NewEncoder(os.Stdout)}
	var err error
	switch {
	case c.Server != nil:
		err = serve(*c.Server, json.NewDecoder(os.Stdin), out)
	case c.Client != nil:
		err = runClient(*c.Client, json.NewDecoder(os.Stdin), out)
	default:
		if err = out.say(message{Kind: saysReady, At: time.Now()}); err == nil {
			_, err = io.Copy(io.Discard, os.Stdin)
		}
	}
	if err != nil {
		complain(err)
		return 1, true
	}
	return 0, true
}

func complain(err error) { _, _ = io.WriteString(os.Stderr, err.Error()+"\n") }
