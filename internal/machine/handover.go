package machine

import "time"

// HandoverPhase is the phase of a handover.
type HandoverPhase uint8

const (
	// NoHandover means that no endpoint is leaving.
	NoHandover HandoverPhase = iota
	// Proving means that new endpoints connect and are probed, while those that leave
	// continue to serve.
	Proving
	// Holding means that the new list cannot carry the calls, so that the endpoints
	// that leave continue to serve until it can.
	Holding
)

// Handover is the state machine of a change of the list. Its zero value is that of no
// change.
type Handover struct {
	Phase HandoverPhase
	// Since is when the first endpoint that has not left yet began to leave.
	Since time.Time
	// Until is when the new endpoints have been waited for long enough.
	Until time.Time
	// Told reports that the phase has been Holding since Since.
	Told bool
}

// HandoverFacts is all that a handover depends on.
type HandoverFacts struct {
	// Leaving reports whether there are endpoints that leave.
	Leaving bool
	// Changed reports that the list has just changed.
	Changed bool
	// Able reports whether the new list can carry the calls.
	Able bool
	// Awaited reports whether a new endpoint that is waited for is not decided.
	Awaited bool
	// Patience is how long it is waited for, counted as MostProving is; 0 means
	// MostProving.
	Patience time.Duration
	// Insisted reports that the endpoints have to leave, whether the new list can
	// carry the calls or not.
	Insisted bool
}

// HandoverEffects is what the owner of the handover does after a step.
type HandoverEffects struct {
	// Release ends the service of the endpoints that leave.
	Release bool
	// Hold reports that the new list has been found unable to carry the calls. It is
	// set once for each such list.
	Hold bool
	// Over reports that a handover that was told as one that holds is over.
	Over bool
	// Wake is when to step again; zero means at the next change of the facts.
	Wake time.Time
}

// MostProving bounds how long endpoints that leave serve on only because new endpoints
// are not decided.
const MostProving = 5 * time.Second

// Next returns the handover at the time now, and the effects of the step.
//
//	any      none leaves              -> none
//	any      insisted                 -> none     release
//	any      able, none awaited       -> none     release
//	any      awaited, before Until    -> proving
//	any      able, at Until           -> none     release
//	any      unable, otherwise        -> holding
//
// Until begins with the handover, and again if the list changes while the phase is
// Holding. So endpoints that join one after the other do not keep those that leave.
func (h Handover) Next(f HandoverFacts, now time.Time) (Handover, HandoverEffects) {
	until := h.Until
	if h.Phase == NoHandover || h.Phase == Holding && f.Changed {
		until = now.Add(MostProving)
	}
	limit := until
	if f.Patience > 0 {
		limit = limit.Add(f.Patience - MostProving)
	}
	waits := f.Awaited && now.Before(limit)
	switch {
	case !f.Leaving:
		return Handover{}, HandoverEffects{Over: h.Told}
	case f.Insisted, f.Able && !waits:
		return Handover{}, HandoverEffects{Release: true, Over: h.Told}
	}
	next := h
	if h.Phase == NoHandover {
		next.Since = now
	}
	if !waits {
		next.Phase, next.Told = Holding, true
		return next, HandoverEffects{Hold: h.Phase != Holding}
	}
	next.Phase, next.Until = Proving, until
	return next, HandoverEffects{Wake: limit}
}
