package view

import (
	"time"

	"github.com/cantonlb/cantonlb"
)

// Document is a status, and what came before it, as JSON. Keys are only ever
// added. What is not known is left out.
type Document struct {
	// Now is when the status was taken.
	Now    time.Time `json:"now"`
	Policy string    `json:"policy"`
	Target string    `json:"target,omitempty"`
	// State is the channel's, such as READY.
	State             string     `json:"state"`
	Eligible          int        `json:"eligible"`
	Total             int        `json:"total"`
	NoneEligibleSince time.Time  `json:"noneEligibleSince,omitzero"`
	Failover          *Failover  `json:"failover,omitempty"`
	Zone              string     `json:"zone,omitempty"`
	Spilled           bool       `json:"spilled,omitempty"`
	Totals            Totals     `json:"totals"`
	File              *File      `json:"file,omitempty"`
	Notes             []string   `json:"notes,omitempty"`
	Endpoints         []Endpoint `json:"endpoints"`
	// Events are the newest, oldest first.
	Events []Event `json:"events,omitempty"`
}

// Failover is a cantonlb.FailoverStatus as JSON.
type Failover struct {
	Active   string    `json:"active"`
	Since    time.Time `json:"since,omitzero"`
	Lost     string    `json:"lost,omitempty"`
	Last     string    `json:"last,omitempty"`
	Switches uint64    `json:"switches"`
	Pinned   string    `json:"pinned,omitempty"`
	Multiple []string  `json:"multiple,omitempty"`
}

// File is a cantonlb.FileStatus as JSON.
type File struct {
	Path     string    `json:"path"`
	LoadedAt time.Time `json:"loadedAt,omitzero"`
	Reloads  uint64    `json:"reloads"`
	Failures uint64    `json:"failures"`
	Error    string    `json:"error,omitempty"`
	FailedAt time.Time `json:"failedAt,omitzero"`
	Pending  []string  `json:"pending,omitempty"`
}

// Totals is a cantonlb.Totals as JSON.
type Totals struct {
	Rescued             uint64  `json:"rescued"`
	Retried             uint64  `json:"retried"`
	RetriesRefused      uint64  `json:"retriesRefused"`
	NoneEligible        uint64  `json:"noneEligible"`
	NoneEligibleSeconds float64 `json:"noneEligibleSeconds"`
	ListsAccepted       uint64  `json:"listsAccepted"`
	ListsRefused        uint64  `json:"listsRefused"`
}

// Endpoint is one endpoint's status as JSON. The keys are the fields of
// cantonlb.EndpointStatus, but for the counts that only metrics have.
type Endpoint struct {
	Name            string    `json:"name"`
	Address         string    `json:"address"`
	Weight          int       `json:"weight,omitempty"`
	Zone            string    `json:"zone,omitempty"`
	Priority        int       `json:"priority,omitempty"`
	Eligible        bool      `json:"eligible"`
	FailOpen        bool      `json:"failOpen,omitempty"`
	Active          bool      `json:"active"`
	Drained         bool      `json:"drained"`
	Ejected         bool      `json:"ejected"`
	State           string    `json:"state"`
	Reason          string    `json:"reason,omitempty"`
	Detail          string    `json:"detail,omitempty"`
	Since           time.Time `json:"since,omitzero"`
	Health          string    `json:"health"`
	Connection      string    `json:"connection"`
	ConnectionError string    `json:"connectionError,omitempty"`
	NextTry         time.Time `json:"nextTry,omitzero"`
	Remote          string    `json:"remote,omitempty"`
	Probe           Probe     `json:"probe"`
	Calls           Calls     `json:"calls"`
	Heard           time.Time `json:"heard,omitzero"`
	Ejections       uint64    `json:"ejections"`
}

// Probe is a cantonlb.ProbeStatus as JSON.
type Probe struct {
	On               bool      `json:"on"`
	Target           string    `json:"target"`
	Kind             string    `json:"kind,omitempty"`
	At               time.Time `json:"at,omitzero"`
	Outcome          string    `json:"outcome,omitempty"`
	Reason           string    `json:"reason,omitempty"`
	Detail           string    `json:"detail,omitempty"`
	Answered         time.Time `json:"answered,omitzero"`
	RoundTripSeconds float64   `json:"roundTripSeconds,omitempty"`
	Watch            string    `json:"watch,omitempty"`
	Checks           uint64    `json:"checks"`
	TimeoutSeconds   float64   `json:"timeoutSeconds,omitempty"`
}

// Calls is a cantonlb.Calls as JSON.
type Calls struct {
	Picked   uint64 `json:"picked"`
	InFlight uint64 `json:"inFlight"`
	Heard    uint64 `json:"heard"`
	Failed   uint64 `json:"failed"`
	// PerSecond is over the last few seconds; absent where nobody has counted.
	PerSecond *float64 `json:"perSecond,omitempty"`
}

// Event is a cantonlb.Event as JSON.
type Event struct {
	Number      uint64    `json:"number"`
	At          time.Time `json:"at"`
	Kind        string    `json:"kind"`
	Endpoint    string    `json:"endpoint,omitempty"`
	From        string    `json:"from,omitempty"`
	To          string    `json:"to,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Detail      string    `json:"detail,omitempty"`
	HeldSeconds float64   `json:"heldSeconds,omitempty"`
	// Switch is of a switch only.
	Switch *Switch `json:"switch,omitempty"`
}

// Switch is a cantonlb.Switch as JSON.
type Switch struct {
	Number uint64 `json:"number"`
	From   string `json:"from,omitempty"`
	To     string `json:"to"`
}

// NewDocument makes the JSON of a status. rate, if not nil, gives the calls per
// second of the endpoint with a name, if it knows.
func NewDocument(s cantonlb.Status, events []cantonlb.Event, now time.Time, rate func(name string) (float64, bool)) Document {
	d := Document{
		Now: now.UTC(), Policy: s.Policy, Target: s.Target, State: s.State.String(), Eligible: s.Eligible(), Total: len(s.Endpoints),
		NoneEligibleSince: utc(s.NoneEligibleSince), Zone: s.Zone, Spilled: s.Spilled,
		Totals: newTotals(s.Totals), File: newFile(s.File), Notes: s.Notes, Endpoints: make([]Endpoint, 0, len(s.Endpoints)),
	}
	if f := s.Failover; f != nil {
		d.Failover = &Failover{
			Active: f.Active, Since: utc(f.Since), Lost: string(f.Lost), Last: f.Last, Switches: f.Switches, Pinned: f.Pinned,
			Multiple: f.Multiple,
		}
	}
	for _, e := range s.Endpoints {
		out := NewEndpoint(e)
		if rate != nil {
			if r, ok := rate(e.Name); ok {
				out.Calls.PerSecond = &r
			}
		}
		d.Endpoints = append(d.Endpoints, out)
	}
	for _, e := range events {
		d.Events = append(d.Events, NewEvent(e))
	}
	return d
}

func newFile(f *cantonlb.FileStatus) *File {
	if f == nil {
		return nil
	}
	return &File{
		Path: f.Path, LoadedAt: utc(f.LoadedAt), Reloads: f.Reloads, Failures: f.Failures,
		Error: f.Error, FailedAt: utc(f.FailedAt), Pending: f.Pending,
	}
}

func newTotals(t cantonlb.Totals) Totals {
	return Totals{
		Rescued: t.Rescued, Retried: t.Retried, RetriesRefused: t.RetriesRefused,
		NoneEligible: t.NoneEligible, NoneEligibleSeconds: t.NoneEligibleTime.Seconds(),
		ListsAccepted: t.ListsAccepted, ListsRefused: t.ListsRefused,
	}
}

// NewEndpoint makes the JSON of one endpoint.
func NewEndpoint(e cantonlb.EndpointStatus) Endpoint {
	p := e.Probe
	out := Endpoint{
		Name: e.Name, Address: e.Address, Weight: e.Weight, Zone: e.Zone, Priority: e.Priority,
		Eligible: e.Eligible, FailOpen: e.FailOpen, Active: e.Active, Drained: e.Drained, Ejected: e.Ejected,
		State: string(e.State), Reason: string(e.Reason), Detail: e.Detail, Since: utc(e.Since), Health: e.Health.String(),
		Connection: e.Connection.String(), ConnectionError: e.ConnectionError, NextTry: utc(e.NextTry), Remote: e.Remote,
		Probe: Probe{
			On: p.On, Target: p.Target, Kind: string(p.Kind), At: utc(p.At),
			Reason: string(p.Reason), Detail: p.Detail,
			Answered: utc(p.Answered), RoundTripSeconds: p.RoundTrip.Seconds(),
			Watch: string(p.Watch), Checks: p.Checks, TimeoutSeconds: p.Timeout.Seconds(),
		},
		Calls: Calls{Picked: e.Calls.Picked, InFlight: e.Calls.InFlight, Heard: e.Calls.Heard, Failed: e.Calls.Failed},
		Heard: utc(e.Heard), Ejections: e.Ejections,
	}
	if !p.At.IsZero() {
		out.Probe.Outcome = p.Outcome.String()
	}
	return out
}

// NewEvent makes the JSON of an event.
func NewEvent(e cantonlb.Event) Event {
	out := Event{
		Number: e.Number, At: utc(e.At), Kind: string(e.Kind), Endpoint: e.Endpoint, From: string(e.From), To: string(e.To),
		Reason: string(e.Reason), Detail: e.Detail, HeldSeconds: e.Held.Seconds(),
	}
	if sw := e.Switch; sw.Number != 0 {
		out.Switch = &Switch{Number: sw.Number, From: sw.From, To: sw.To}
	}
	return out
}

// utc gives a time as JSON has it: without what is only this process's.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
