package report

import (
	"encoding/json"
	"time"
)

// Outcome is the result of one probe of an endpoint.
type Outcome string

// The outcomes of a probe.
const (
	// Inconclusive means that the probe determined nothing. The health does not
	// change.
	Inconclusive Outcome = "inconclusive"
	// Serving means that the endpoint answered that it serves.
	Serving Outcome = "serving"
	// NotServing means that the endpoint answered that it does not serve. It takes
	// effect at once, since it is the server's own answer. The threshold applies only
	// to failures, which may be accidental.
	NotServing Outcome = "not_serving"
	// Failed means that the probe received no usable answer. It counts towards the
	// threshold.
	Failed Outcome = "failed"
)

// Bounded returns the outcome itself if it is one of the constants, and Inconclusive
// if not: a probe that the program supplies may return any text.
func (o Outcome) Bounded() Outcome {
	switch o {
	case Serving, NotServing, Failed:
		return o
	default:
		return Inconclusive
	}
}

// ProbeKind is the kind of probe that a verdict comes from.
type ProbeKind string

// The kinds of probes.
const (
	// KindNone means no probe.
	KindNone ProbeKind = ""
	// KindGRPCCheck and KindGRPCWatch are the methods Check and Watch of the gRPC
	// health protocol.
	KindGRPCCheck ProbeKind = "grpc_check"
	KindGRPCWatch ProbeKind = "grpc_watch"
	// KindHTTP is a health page that is fetched by HTTP.
	KindHTTP ProbeKind = "http"
	// KindTCP is a TCP connection that is made and closed.
	KindTCP ProbeKind = "tcp"
	// KindFunc is a function of the program.
	KindFunc ProbeKind = "func"
	// KindConnectivity means that there is no probe and being connected is enough.
	KindConnectivity ProbeKind = "connectivity"
)

// WatchState is the state of the Watch of an endpoint.
type WatchState string

// The states of a Watch.
const (
	// WatchOff means that there is no Watch: it is not requested, or not possible for
	// this kind of probe.
	WatchOff WatchState = "off"
	// WatchOpening means that the stream is open and has received nothing yet.
	WatchOpening WatchState = "opening"
	// WatchAlive means that the server pushes changes.
	WatchAlive WatchState = "alive"
	// WatchBroken means that the stream has ended and will be opened again.
	WatchBroken WatchState = "broken"
	// WatchUnimplemented means that the server does not implement Watch. Only Check is
	// used.
	WatchUnimplemented WatchState = "unimplemented"
	// WatchYielded means that the Watch was ended for this connection, because the
	// server allows so few streams on it that calls need this one. Only Check is used.
	WatchYielded WatchState = "yielded"
)

// Verdict is the result of one probe: an outcome, always with a reason.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason,omitempty"`
	// Detail is free text for people, such as an error message of the server: at most
	// 200 bytes of printable characters. It is empty if the reason needs no
	// explanation.
	Detail string `json:"detail,omitempty"`
}

// VerdictCount counts the verdicts of one kind that had one outcome.
type VerdictCount struct {
	Kind    ProbeKind `json:"kind"`
	Outcome Outcome   `json:"outcome"`
	Count   uint64    `json:"count"`
}

// ProbeStatus reports how an endpoint is probed, and the last verdict.
type ProbeStatus struct {
	// On is false if health checking is disabled, so that being connected is enough.
	On bool `json:"on"`
	// Target describes what is probed, and where.
	Target string `json:"target"`
	// Kind is the kind of the last verdict, At is when it arrived, and Outcome,
	// Reason and Detail are its content. At is zero and Outcome is empty if there is
	// no verdict yet.
	Kind    ProbeKind `json:"kind,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Outcome Outcome   `json:"outcome,omitempty"`
	Reason  Reason    `json:"reason,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	// Answered is when the endpoint itself last answered a probe, whatever the
	// answer, and RoundTrip is how long that took (0 if the answer was pushed).
	Answered  time.Time     `json:"answered,omitzero"`
	RoundTrip time.Duration `json:"-"` // roundTripSeconds
	// Watch is the state of the Watch, by which the server pushes changes.
	Watch WatchState `json:"watch,omitempty"`
	// Checks counts the probes besides the Watch. Timeout is the deadline of the next
	// one.
	Checks  uint64        `json:"checks"`
	Timeout time.Duration `json:"-"` // timeoutSeconds
	// Verdicts counts the verdicts of the probes, pushed ones included, in the order
	// of their first occurrence. JSON omits them, since metrics have them.
	Verdicts []VerdictCount `json:"-"`
}

// probeJSON is the JSON form of a ProbeStatus.
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
