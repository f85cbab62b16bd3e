package endpointset

// phase is where an endpoint's connection is in its life.
type phase uint8

const (
	// waiting: not connected, and not trying until the next attempt is due.
	waiting phase = iota
	// connecting: an attempt is under way.
	connecting
	// ready: connected.
	ready
	// closed: the endpoint has left the set.
	closed
)

// linkEvent is one input of the link's state machine.
type linkEvent uint8

const (
	// linkTry: the time of the next attempt has come, or somebody knows that
	// the endpoint is back.
	linkTry linkEvent = iota
	// linkUp: the attempt has succeeded.
	linkUp
	// linkDown: the attempt has failed or taken too long, or the connection is
	// lost.
	linkDown
	// linkProven: the endpoint has been healthy on this connection.
	linkProven
	// linkClose: the endpoint leaves the set.
	linkClose
)

// link is the state machine of one endpoint's connection: which phase it is in,
// which of its addresses it uses, and whether the connection has proved good.
type link struct {
	phase  phase
	addr   int
	proven bool
}

// linkEffects is what has to be done after a step of the link.
type linkEffects struct {
	// retire: the SubConn, if there is one, is of no more use.
	retire bool
	// dial: make a SubConn for the address and connect it.
	dial bool
	// backOff: no further attempt before the back-off is over.
	backOff bool
	// reset: the back-off starts from the beginning again.
	reset bool
	// lost: an existing connection is gone.
	lost bool
	// failed: every address has been tried in vain, so that the endpoint is in
	// trouble until it is seen healthy.
	failed bool
}

// next is a pure function of the link before, the event and the number of
// addresses.
//
// An endpoint's addresses are tried in order. A proven connection that is lost
// is replaced at once, since servers that age their connections or restart
// close them as a matter of course; one that was lost before it proved good is
// treated as a failed attempt, or a server that accepts and hangs up would be
// dialled in a tight loop.
func (l link) next(e linkEvent, addrs int) (link, linkEffects) {
	switch {
	case l.phase == closed:
		return l, linkEffects{}
	case e == linkClose:
		return link{phase: closed}, linkEffects{retire: true}
	case e == linkTry && l.phase == waiting:
		return link{phase: connecting}, linkEffects{dial: true}
	case e == linkUp && l.phase == connecting:
		return link{phase: ready, addr: l.addr}, linkEffects{}
	case e == linkProven && l.phase == ready && !l.proven:
		return link{phase: ready, addr: l.addr, proven: true}, linkEffects{reset: true}
	case e == linkDown && l.phase == ready && l.proven:
		return link{phase: connecting}, linkEffects{retire: true, dial: true, lost: true}
	case e == linkDown && l.phase == ready:
		return link{phase: waiting}, linkEffects{retire: true, backOff: true, lost: true, failed: true}
	case e == linkDown && l.phase == connecting && l.addr+1 < addrs:
		return link{phase: connecting, addr: l.addr + 1}, linkEffects{retire: true, dial: true}
	case e == linkDown && l.phase == connecting:
		return link{phase: waiting}, linkEffects{retire: true, backOff: true, failed: true}
	default:
		return l, linkEffects{}
	}
}
