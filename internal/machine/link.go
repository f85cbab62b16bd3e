package machine

// Phase is where an endpoint's connection is in its life.
type Phase uint8

const (
	// Waiting: not connected, and not trying until the next attempt is due.
	Waiting Phase = iota
	// Connecting: an attempt is under way.
	Connecting
	// Ready: connected.
	Ready
	// Closed: the endpoint has left the set.
	Closed
)

// LinkEvent is one input of the link's state machine.
type LinkEvent uint8

const (
	// LinkTry: the time of the next attempt has come, or somebody knows that
	// the endpoint is back.
	LinkTry LinkEvent = iota
	// LinkUp: the attempt has succeeded.
	LinkUp
	// LinkDown: the attempt has failed or taken too long, or the connection is
	// lost.
	LinkDown
	// LinkProven: the endpoint has been healthy on this connection.
	LinkProven
	// LinkClose: the endpoint leaves the set.
	LinkClose
)

// Link is the state machine of one endpoint's connection: which phase it is in,
// which of its addresses it uses, and whether the connection has proved good.
type Link struct {
	Phase  Phase
	Addr   int
	Proven bool
}

// LinkEffects is what has to be done after a step of the link.
type LinkEffects struct {
	// Retire: the SubConn, if there is one, is of no more use.
	Retire bool
	// Dial: make a SubConn for the address and connect it.
	Dial bool
	// BackOff: no further attempt before the back-off is over.
	BackOff bool
	// Reset: the back-off starts from the beginning again.
	Reset bool
	// Lost: an existing connection is gone.
	Lost bool
	// Failed: every address has been tried in vain, so that the endpoint is in
	// trouble until it is seen healthy.
	Failed bool
}

// Next is a pure function of the link before, the event and the number of
// addresses.
//
// An endpoint's addresses are tried in order. A proven connection that is lost
// is replaced at once, since servers that age their connections or restart
// close them as a matter of course; one that was lost before it proved good is
// treated as a failed attempt, or a server that accepts and hangs up would be
// dialled in a tight loop.
func (l Link) Next(e LinkEvent, addrs int) (Link, LinkEffects) {
	switch {
	case l.Phase == Closed:
		return l, LinkEffects{}
	case e == LinkClose:
		return Link{Phase: Closed}, LinkEffects{Retire: true}
	case e == LinkTry && l.Phase == Waiting:
		return Link{Phase: Connecting}, LinkEffects{Dial: true}
	case e == LinkUp && l.Phase == Connecting:
		return Link{Phase: Ready, Addr: l.Addr}, LinkEffects{}
	case e == LinkProven && l.Phase == Ready && !l.Proven:
		return Link{Phase: Ready, Addr: l.Addr, Proven: true}, LinkEffects{Reset: true}
	case e == LinkDown && l.Phase == Ready && l.Proven:
		return Link{Phase: Connecting}, LinkEffects{Retire: true, Dial: true, Lost: true}
	case e == LinkDown && l.Phase == Ready:
		return Link{Phase: Waiting}, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}
	case e == LinkDown && l.Phase == Connecting && l.Addr+1 < addrs:
		return Link{Phase: Connecting, Addr: l.Addr + 1}, LinkEffects{Retire: true, Dial: true}
	case e == LinkDown && l.Phase == Connecting:
		return Link{Phase: Waiting}, LinkEffects{Retire: true, BackOff: true, Failed: true}
	default:
		return l, LinkEffects{}
	}
}
