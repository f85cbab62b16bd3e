package report

import (
	"encoding/json"
	"time"
)

// Outcome is what one probe said of an endpoint.
type Outcome string

// The outcomes of a probe.
const (
	// Inconclusive: nothing was learnt; the state of health stays as it is.
	Inconclusive Outcome = "inconclusive"
	// Serving: the endpoint answered that it serves.
	Serving Outcome = "serving"
	// NotServing: the endpoint answered that it does not serve. This is the
	// server's own word, so it takes effect at once: the threshold of failures is
	// for failures, which may be accidents.
	NotServing Outcome = "not_serving"
	// Failed: the probe got no usable answer. It counts towards the threshold.
	Failed Outcome = "failed"
)

// Bounded returns the outcome itself if it is one of the constants, and
// Inconclusive if not: a probe of the program's own may return any text.
func (o Outcome) Bounded() Outcome {
	switch o {
	case Serving, NotServing, Failed:
		return o
	default:
		return Inconclusive
	}
}

// ProbeKind is the way in which a verdict was learnt.
type ProbeKind string

// The kinds of probes.
const (
	// KindNone: no probe.
	KindNone ProbeKind = ""
	// KindGRPCCheck and KindGRPCWatch: the methods Check and Watch of the gRPC
	// health protocol.
	KindGRPCCheck ProbeKind = "grpc_check"
	KindGRPCWatch ProbeKind = "grpc_watch"
	// KindHTTP: a health page, fetched by HTTP.
	KindHTTP ProbeKind = "http"
	// KindTCP: a connection that is made and closed.
	KindTCP ProbeKind = "tcp"
	// KindFunc: a function of the program.
	KindFunc ProbeKind = "func"
	// KindConnectivity: no probe at all; being connected is what counts.
	KindConnectivity ProbeKind = "connectivity"
)

// WatchState says how the Watch of an endpoint is doing.
type WatchState string

// The states of a Watch.
const (
	// WatchOff: not asked for, or not possible for this kind of probe.
	WatchOff WatchState = "off"
	// WatchOpening: the stream is open, and nothing has come on it yet.
	WatchOpening WatchState = "opening"
	// WatchAlive: the server pushes changes.
	WatchAlive WatchState = "alive"
	// WatchBroken: the stream has ended and will be opened again.
	WatchBroken WatchState = "broken"
	// WatchUnimplemented: the server cannot be watched; Check does it all.
	WatchUnimplemented WatchState = "unimplemented"
	// WatchYielded: given up for this connection, because the server allows so
	// few streams on it that calls need this one; Check does it all.
	WatchYielded WatchState = "yielded"
)

// Verdict is what one probe said: an outcome, always with a reason.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason,omitempty"`
	// Detail is free text for people, such as an error message of the server:
	// at most 200 bytes, of printable characters only. Empty if the reason says
	// it all.
	Detail string `json:"detail,omitempty"`
}

// VerdictCount is how many verdicts of one kind had one outcome.
type VerdictCount struct {
	Kind    ProbeKind `json:"kind"`
	Outcome Outcome   `json:"outcome"`
	Count   uint64    `json:"count"`
}

// ProbeStatus says how an endpoint's health is learnt, and when it last was.
type ProbeStatus struct {
	// On is false if health checking is disabled, so that a connection is all
	// that counts.
	On bool `json:"on"`
	// Target says what is asked, and where.
	Target string `json:"target"`
	// Kind is the way in which the last verdict came, At when it came, and
	// Outcome, Reason and Detail what it was. At is zero and Outcome empty if
	// there is none yet.
	Kind    ProbeKind `json:"kind,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Outcome Outcome   `json:"outcome,omitempty"`
	Reason  Reason    `json:"reason,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	// Answered is when the endpoint itself last answered a probe, whatever it
	// said, and RoundTrip how long it took (0 if it was pushed).
	Answered  time.Time     `json:"answered,omitzero"`
	RoundTrip time.Duration `json:"-"` // roundTripSeconds
	// Watch says how the push of changes is doing.
	Watch WatchState `json:"watch,omitempty"`
	// Checks counts the probes made besides, Timeout is the deadline of the next.
	Checks  uint64        `json:"checks"`
	Timeout time.Duration `json:"-"` // timeoutSeconds
	// Verdicts counts what the probes have said, pushes included, in order of the
	// first of each. JSON leaves them out, as metrics have them.
	Verdicts []VerdictCount `json:"-"`
}

// probeJSON is a ProbeStatus as JSON has it.
type probeJSON struct {
	plainProbe

	RoundTripSeconds float64 `json:"roundTripSeconds,omitempty"`
	TimeoutSeconds   float64 `json:"timeoutSeconds,omitempty"`
}

type plainProbe ProbeStatus

// MarshalJSON implements json.Marshaler.
func (p ProbeStatus) MarshalJSON() ([]byte, error) {
	p.At, p.Answered = utc(p.At), utc(p.Answered)
	return json.Marshal(probeJSON{plainProbe(p), p.RoundTrip.Seconds(), p.Timeout.Seconds()})
}

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes.
func (p *ProbeStatus) UnmarshalJSON(data []byte) error {
	var in probeJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*p = ProbeStatus(in.plainProbe)
	p.RoundTrip, p.Timeout = duration(in.RoundTripSeconds), duration(in.TimeoutSeconds)
	return nil
}
