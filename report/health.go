package report

import (
	"encoding/json"
	"time"
)

// HealthStatus is the health of one endpoint, as its probes have determined it.
type HealthStatus struct {
	// Health is the state, Reason and Detail are why, and Since is since when.
	Health HealthState `json:"health"`
	Reason Reason      `json:"reason,omitempty"`
	Detail string      `json:"detail,omitempty"`
	Since  time.Time   `json:"since,omitzero"`
	// Probe reports how the health was determined.
	Probe ProbeStatus `json:"probe"`
}

// HealthTransition is one change of the health of an endpoint or of another target
// that is probed.
type HealthTransition struct {
	// Target is the name of the endpoint or target.
	Target string      `json:"target"`
	From   HealthState `json:"from"`
	To     HealthState `json:"to"`
	// Reason and Detail are why the health changed.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Kind is the kind of the probe that caused the change, or KindNone.
	Kind ProbeKind `json:"kind,omitempty"`
	// At is when the change happened, and Held is how long the state From lasted.
	At   time.Time     `json:"at,omitzero"`
	Held time.Duration `json:"-"` // heldSeconds
}

// String returns the transition as one line, such as
//
//	"db1": healthy -> suspect (probe_timeout) after 12s
func (t HealthTransition) String() string {
	line := appendChange(nil, t.Target, EndpointState(t.From), EndpointState(t.To))
	return string(appendHeld(appendWhy(line, t.Reason, t.Detail), t.Held))
}

// transitionJSON is the JSON form of a HealthTransition.
type transitionJSON struct {
	plainTransition

	HeldSeconds float64 `json:"heldSeconds,omitempty"`
}

type plainTransition HealthTransition

// MarshalJSON implements json.Marshaler.
func (t HealthTransition) MarshalJSON() ([]byte, error) {
	t.At = utc(t.At)
	return json.Marshal(transitionJSON{plainTransition(t), t.Held.Seconds()})
}

// UnmarshalJSON implements json.Unmarshaler. It reads what MarshalJSON writes.
func (t *HealthTransition) UnmarshalJSON(data []byte) error {
	var in transitionJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*t = HealthTransition(in.plainTransition)
	t.Held = duration(in.HeldSeconds)
	return nil
}
