package report_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/report"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// full is a status with something in every field that JSON has.
func full() report.Status {
	rate := 2.5
	return report.Status{
		At: now, Policy: "active_passive", Target: "static:///a:1", State: connectivity.Ready, NoneEligibleSince: now.Add(-time.Second),
		Failover: &report.FailoverStatus{
			Active: "seq1", Since: now.Add(-time.Minute), Lost: report.ReasonNotServing, Last: "seq0", Switches: 3,
			Pinned: "seq1", Multiple: []string{"seq1", "seq2"},
		},
		Zone: "eu", Spilled: true,
		Totals: report.Totals{
			Rescued: 1, Retried: 2, RetriesRefused: 3, Hedged: 11, HedgesWon: 10, HedgesRefused: 9, NoneEligible: 4, NoneEligibleTime: 1500 * time.Millisecond,
			ListsAccepted: 5, ListsRefused: 6,
		},
		File: &report.FileStatus{
			Path: "c.yaml", LoadedAt: now.Add(-time.Hour), Reloads: 7, Failures: 8, Error: "no", FailedAt: now, Pending: []string{"role"},
		},
		Notes: []string{"a note"},
		Endpoints: []report.EndpointStatus{{
			Name: "seq1", Address: "a:1", Weight: 2, Zone: "eu", Priority: 1, Eligible: true, FailOpen: true, Active: true, Passive: true, Drained: true, Ejected: true,
			State: report.StateEjected, Reason: report.ReasonCallsFailing, Detail: "d", Since: now.Add(-65 * time.Second), Health: report.Healthy,
			Connection: connectivity.TransientFailure, ConnectionError: "refused", NextTry: now.Add(time.Second), Remote: "10.0.0.1:1", Phase: report.PhaseTLS, PhaseSince: now,
			Probe: report.ProbeStatus{
				On: true, Target: "t", Kind: report.KindGRPCCheck, At: now, Outcome: report.Serving, Reason: report.ReasonServing, Detail: "x",
				Answered: now, RoundTrip: 1234 * time.Microsecond, Watch: report.WatchAlive, Checks: 9, Timeout: 300 * time.Millisecond,
			},
			Calls: report.CallStats{Picked: 12, InFlight: 1, Heard: 9, Failed: 3, PerSecond: &rate}, Heard: now, Ejections: 1,
			LeavingSince: now.Add(-time.Second),
		}},
		Leaving:  []report.EndpointStatus{{Name: "seq0", Health: report.HealthUnknown}},
		Handover: &report.HandoverStatus{Since: now.Add(-time.Second), Reason: report.ReasonNoneEligible, Detail: "why"},
	}
}

func unmarshal(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

func marshal(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return unmarshal(t, text)
}

const fullJSON = `{
	"now": "2026-03-01T12:00:00Z", "policy": "active_passive", "target": "static:///a:1", "state": "READY", "eligible": 1, "total": 1,
	"noneEligibleSince": "2026-03-01T11:59:59Z",
	"failover": {"active": "seq1", "since": "2026-03-01T11:59:00Z", "lost": "not_serving", "last": "seq0", "switches": 3, "pinned": "seq1",
		"multiple": ["seq1", "seq2"]},
	"zone": "eu", "spilled": true,
	"totals": {"rescued": 1, "retried": 2, "retriesRefused": 3, "hedged": 11, "hedgesWon": 10, "hedgesRefused": 9, "noneEligible": 4, "noneEligibleSeconds": 1.5, "listsAccepted": 5, "listsRefused": 6},
	"file": {"path": "c.yaml", "loadedAt": "2026-03-01T11:00:00Z", "reloads": 7, "failures": 8, "error": "no", "failedAt": "2026-03-01T12:00:00Z",
		"pending": ["role"]},
	"notes": ["a note"],
	"endpoints": [{
		"name": "seq1", "address": "a:1", "weight": 2, "zone": "eu", "priority": 1,
		"eligible": true, "failOpen": true, "active": true, "drained": true, "ejected": true,
		"state": "ejected", "reason": "calls_failing", "detail": "d", "since": "2026-03-01T11:58:55Z", "health": "healthy",
		"connection": "TRANSIENT_FAILURE", "connectionError": "refused", "nextTry": "2026-03-01T12:00:01Z", "phase": "tls", "phaseSince": "2026-03-01T12:00:00Z", "passive": true, "remote": "10.0.0.1:1",
		"probe": {"on": true, "target": "t", "kind": "grpc_check", "at": "2026-03-01T12:00:00Z", "outcome": "serving", "reason": "serving",
			"detail": "x", "answered": "2026-03-01T12:00:00Z", "roundTripSeconds": 0.001234, "watch": "alive", "checks": 9, "timeoutSeconds": 0.3},
		"calls": {"picked": 12, "inFlight": 1, "heard": 9, "failed": 3, "perSecond": 2.5},
		"heard": "2026-03-01T12:00:00Z", "ejections": 1, "leavingSince": "2026-03-01T11:59:59Z"
	}],
	"leaving": [{
		"name": "seq0", "address": "", "eligible": false, "active": false, "drained": false, "ejected": false, "state": "", "health": "unknown",
		"connection": "IDLE", "probe": {"on": false, "target": "", "checks": 0}, "calls": {"picked": 0, "inFlight": 0, "heard": 0, "failed": 0},
		"ejections": 0
	}],
	"handover": {"since": "2026-03-01T11:59:59Z", "reason": "none_eligible", "detail": "why"}
}`

func TestAStatusIsWordsTimesAndSeconds(t *testing.T) {
	assert.Equal(t, unmarshal(t, []byte(fullJSON)), marshal(t, full()))
}

func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	assert.Equal(t, unmarshal(t, []byte(`{
		"policy": "", "state": "IDLE", "eligible": 0, "total": 0, "endpoints": [],
		"totals": {"rescued": 0, "retried": 0, "retriesRefused": 0, "hedged": 0, "hedgesWon": 0, "hedgesRefused": 0, "noneEligible": 0, "noneEligibleSeconds": 0, "listsAccepted": 0, "listsRefused": 0}
	}`)), marshal(t, report.Status{}))
	assert.Equal(t, unmarshal(t, []byte(`{
		"name": "", "address": "", "eligible": false, "active": false, "drained": false, "ejected": false, "state": "", "health": "unknown",
		"connection": "IDLE", "probe": {"on": false, "target": "", "checks": 0}, "calls": {"picked": 0, "inFlight": 0, "heard": 0, "failed": 0},
		"ejections": 0
	}`)), marshal(t, report.EndpointStatus{}))
	assert.Equal(t, unmarshal(t, []byte(`{"number": 0, "kind": ""}`)), marshal(t, report.Event{}))
	assert.Equal(t, unmarshal(t, []byte(`{"active": "", "switches": 0}`)), marshal(t, report.FailoverStatus{}))
	assert.Equal(t, unmarshal(t, []byte(`{"path": "", "reloads": 0, "failures": 0}`)), marshal(t, report.FileStatus{}))
	assert.Equal(t, unmarshal(t, []byte(`{"number": 0, "to": ""}`)), marshal(t, report.Switch{}))
	assert.Equal(t, unmarshal(t, []byte(`{"health": "healthy", "probe": {"on": false, "target": "", "checks": 0}}`)),
		marshal(t, report.HealthStatus{Health: report.Healthy}))
}

func TestTimesAreInUTC(t *testing.T) {
	there := now.In(time.FixedZone("there", 3600))
	event := marshal(t, report.Event{At: there, Kind: report.EventSwitch, Switch: report.Switch{Number: 1, To: "a", At: there}})
	assert.Equal(t, map[string]any{
		"number": 0.0, "at": "2026-03-01T12:00:00Z", "kind": "switch", "switch": map[string]any{"number": 1.0, "to": "a"},
	}, event)
	for _, v := range []any{
		report.Switch{At: there}, report.FileStatus{LoadedAt: there}, report.FailoverStatus{Since: there}, report.HandoverStatus{Since: there},
		report.EndpointStatus{Since: there}, report.ProbeStatus{At: there}, report.Status{At: there},
	} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Contains(t, string(text), "2026-03-01T12:00:00Z")
	}
}

func TestEveryFieldHasAKey(t *testing.T) {
	left := map[string]bool{"Transitions": true, "Verdicts": true, "Reasons": true} // metrics have them
	spelled := map[string]string{
		"At": "now", "RoundTrip": "roundTripSeconds", "Timeout": "timeoutSeconds", "NoneEligibleTime": "noneEligibleSeconds",
	}
	s := full()
	for _, v := range []any{s, s.Endpoints[0], s.Endpoints[0].Calls, s.Totals, *s.File, *s.Failover, *s.Handover} {
		keys, typ := marshal(t, v), reflect.TypeOf(v)
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			key, other := spelled[name]
			if !other {
				key = strings.ToLower(name[:1]) + name[1:]
			}
			if !left[name] {
				assert.Contains(t, keys, key, "of %v", typ)
			}
		}
	}
}

func TestJSONCanBeReadBack(t *testing.T) {
	events := []report.Event{
		{Number: 1, At: now, Kind: report.EventEndpoint, Endpoint: "seq1", From: report.StateHealthy, To: report.StateUnhealthy, Held: time.Second},
		{
			Number: 2, At: now, Kind: report.EventSwitch, Endpoint: "seq2", Reason: report.ReasonNotServing,
			Switch: report.Switch{Number: 1, From: "seq1", To: "seq2", Reason: report.ReasonNotServing, At: now},
		},
	}
	text, err := json.Marshal(report.Document{Status: full(), Events: events})
	require.NoError(t, err)
	var document report.Document
	require.NoError(t, json.Unmarshal(text, &document))
	assert.Equal(t, report.Document{Status: full(), Events: events}, document)
	var status report.Status
	require.NoError(t, json.Unmarshal(text, &status))
	assert.Equal(t, full(), status)
}

func TestAHealthTransitionCanBeReadBack(t *testing.T) {
	transition := report.HealthTransition{
		Target: "db1", From: report.Healthy, To: report.Suspect, Reason: report.ReasonProbeTimeout, Detail: "d",
		Kind: report.KindHTTP, At: now, Held: 1500 * time.Millisecond,
	}
	assert.Equal(t, map[string]any{
		"target": "db1", "from": "healthy", "to": "suspect", "reason": "probe_timeout", "detail": "d", "kind": "http",
		"at": "2026-03-01T12:00:00Z", "heldSeconds": 1.5,
	}, marshal(t, transition))
	text, err := json.Marshal(transition)
	require.NoError(t, err)
	var got report.HealthTransition
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, transition, got)
	assert.Error(t, json.Unmarshal([]byte(`{"heldSeconds": ""}`), &got))
	assert.Equal(t, transition, got, "it stays as it was")
}

func TestBadJSONIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"state": "BUSY"}`:                     `report: state "BUSY": want IDLE, CONNECTING, READY, TRANSIENT_FAILURE or SHUTDOWN`,
		`{"endpoints": [{"connection": "x"}]}`:  `report: connection "x": want IDLE, CONNECTING, READY, TRANSIENT_FAILURE or SHUTDOWN`,
		`{"now": 1}`:                            "Time.UnmarshalJSON",
		`{"totals": {"rescued": -1}}`:           "cannot unmarshal",
		`{"endpoints": [{"probe": {"on": 1}}]}`: "cannot unmarshal",
		`{"endpoints": [{"eligible": 1}]}`:      "cannot unmarshal",
		`{"events": [{"heldSeconds": "1"}]}`:    "cannot unmarshal",
	} {
		status := full()
		assert.ErrorContains(t, json.Unmarshal([]byte(text), &status), want, text)
		assert.Equal(t, full(), status, "it stays as it was")
	}
}

func TestSecondsThatNoDurationHoldsAreTheLongest(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1e300": math.MaxInt64, "-1e300": -math.MaxInt64, "0.1": 100 * time.Millisecond, "1e-12": 0,
	} {
		var e report.Event
		require.NoError(t, json.Unmarshal([]byte(`{"heldSeconds": `+text+`}`), &e))
		assert.Equal(t, want, e.Held)
	}
}

func lease() report.LeaseStatus {
	return report.LeaseStatus{
		Name: "pink", Candidate: "a:1/00", State: report.LeaseHolder, Since: now.Add(-time.Minute), Held: true, Until: now.Add(time.Second),
		Holder: "a:1/00", Token: 1<<40 + 7, Stuck: true, StoreFailing: true, StoreError: "refused",
		Counts: []report.LeaseEventCount{
			{Kind: report.LeaseEventAcquired, Reason: report.ReasonLeaseFree, Count: 1},
			{Kind: report.LeaseEventAcquired, Reason: report.ReasonLeaseExpired, Count: 2},
			{Kind: report.LeaseEventLost, Reason: report.ReasonLeaseNotRenewed, Count: 2},
		},
	}
}

func TestTheLeasesOfADocumentCanBeReadAgain(t *testing.T) {
	want := report.Document{
		Status: full(), Leases: []report.LeaseStatus{lease()},
		LeaseEvents: []report.LeaseEvent{{
			Number: 3, At: now, Kind: report.LeaseEventLost, Name: "pink", Holder: "a:1/00", Token: 7, Reason: report.ReasonLeaseNotRenewed, Detail: "d",
		}},
	}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	var got report.Document
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, want.Leases, got.Leases)
	assert.Equal(t, want.LeaseEvents, got.LeaseEvents)
	keys := unmarshal(t, text)
	assert.Contains(t, keys, "leases")
	assert.Contains(t, keys, "leaseEvents")
	text, err = json.Marshal(full())
	require.NoError(t, err)
	assert.NotContains(t, unmarshal(t, text), "leases", "a status has none")
}

func TestALeaseIsOneLineOfText(t *testing.T) {
	assert.Equal(t, uint64(3), lease().Count(report.LeaseEventAcquired))
	assert.Zero(t, lease().Count(report.LeaseEventStuck))
	assert.Equal(t, `lease "pink": holder, held by "a:1/00" with token 1099511627783, work is stuck, the store fails: refused`, lease().String())
	assert.Equal(t, `lease "pink": candidate`, report.LeaseStatus{Name: "pink", State: report.LeaseCandidate}.String())
	for want, e := range map[string]report.LeaseEvent{
		`lease "pink": holder`:                                    {Kind: report.LeaseEventHolder},
		`lease "pink": holder "b" with token 8`:                   {Kind: report.LeaseEventHolder, Holder: "b", Token: 8},
		`lease "pink": stuck at "a" with token 7`:                 {Kind: report.LeaseEventStuck, Holder: "a", Token: 7},
		`lease "pink": acquired by "a" with token 7 (expired)`:    {Kind: report.LeaseEventAcquired, Holder: "a", Token: 7, Reason: report.ReasonLeaseExpired},
		`lease "pink": store_failing (store_error: it is broken)`: {Kind: report.LeaseEventStoreFailing, Reason: report.ReasonLeaseStoreError, Detail: "it is broken"},
	} {
		e.Name = "pink"
		assert.Equal(t, want, e.String())
	}
}
