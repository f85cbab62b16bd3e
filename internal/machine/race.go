package machine

import "time"

// RaceDelay is how long an attempt is waited for before the next address is tried too.
// RFC 8305 recommends it, and grpc uses it.
const RaceDelay = 250 * time.Millisecond

// RaceEvent is an input of the race state machine.
type RaceEvent uint8

const (
	// RaceBegin reports that the endpoint is to be connected.
	RaceBegin RaceEvent = iota
	// RaceFound reports that the number of addresses has become known.
	RaceFound
	// RaceDelayed reports that the latest attempt has neither succeeded nor failed for
	// RaceDelay.
	RaceDelayed
	// RaceFailed reports that one of the attempts has failed.
	RaceFailed
)

// Race is the state machine of one search for an address of an endpoint that answers,
// as in RFC 8305, but over the whole handshake. Addresses are tried in order. The next
// one is tried when an attempt has failed, or has taken a while. The first attempt that
// succeeds ends the race, which the owner sees for itself.
//
// An attempt that has taken a while goes on. If it were called off, or if the number of
// attempts under way were bounded, a few addresses that do not answer would hide the one
// that does, or one that answers slowly would never be connected to.
type Race struct {
	Addrs   int // addresses, as far as they are known
	Started int // how many of them have been tried
	Running int // attempts under way
}

// RaceEffects is what the owner of the race does after a step.
type RaceEffects struct {
	// Start begins an attempt to connect to the address with the index Started-1.
	Start bool
	// Arm restarts the timer whose end is RaceDelayed.
	Arm bool
	// Lost reports that all addresses have failed.
	Lost bool
}

// Next returns the race after event e, and the effects of the step. addrs is the number
// of the endpoint's addresses, at least 1. Only RaceBegin and RaceFound read it.
func (r Race) Next(e RaceEvent, addrs int) (Race, RaceEffects) {
	var effects RaceEffects
	start := false
	switch e {
	case RaceBegin:
		r, start = Race{Addrs: addrs}, true
	case RaceFound:
		r.Addrs = max(addrs, r.Started)
		effects.Arm = r.Running > 0
	case RaceDelayed:
		start = r.Running > 0
	case RaceFailed:
		if r.Running == 0 {
			return r, effects
		}
		r.Running--
		start = true
		effects.Lost = r.Running == 0 && r.Started == r.Addrs
	}
	if start && r.Started < r.Addrs {
		r.Started++
		r.Running++
		effects.Start, effects.Arm = true, true
	}
	effects.Arm = effects.Arm && r.Started < r.Addrs
	return r, effects
}
