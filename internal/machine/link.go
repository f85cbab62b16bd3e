package machine

// Phase is the phase of an endpoint's connection.
type Phase uint8

const (
	// Waiting means not connected, and no attempt until the next one is due.
	Waiting Phase = iota
	// Connecting means that an attempt is under way.
	Connecting
	// Ready means connected.
	Ready
	// Closed means that the endpoint has left the set.
	Closed
)

// LinkEvent is an input of the link state machine.
type LinkEvent uint8

const (
	// LinkTry reports that the next attempt is due, or that the endpoint is known to
	// be back.
	LinkTry LinkEvent = iota
	// LinkUp reports that the attempt has succeeded.
	LinkUp
	// LinkDown reports that the attempt has failed or timed out, or that the
	// connection is lost.
	LinkDown
	// LinkDownAgain is LinkDown shortly after the loss of another connection.
	LinkDownAgain
	// LinkDismissed reports that the server has ended the connection with a GOAWAY
	// without an error.
	LinkDismissed
	// LinkProven reports that the server has answered on this connection, or that the
	// connection has lasted.
	LinkProven
	// LinkClose reports that the endpoint leaves the set.
	LinkClose
)

// Link is the state machine of one endpoint's connection: its phase, and whether the
// connection has proven itself. The addresses of an endpoint are raced within one attempt:
// see Race.
type Link struct {
	Phase  Phase
	Proven bool
	// Dismissed counts the connections that the server has dismissed in a row before
	// they were proven.
	Dismissed int
}

// LinkEffects is what the owner of the link does after a step.
type LinkEffects struct {
	// Retire shuts down the SubConn, if there is one.
	Retire bool
	// Dial makes an attempt to connect.
	Dial bool
	// BackOff delays the next attempt until the back-off is over.
	BackOff bool
	// Reset restarts the back-off from its first delay.
	Reset bool
	// Lost reports that an established connection is gone.
	Lost bool
	// Failed reports that the attempt has failed, or that the connection was lost before
	// it was proven: the endpoint is in trouble until it is seen healthy.
	Failed bool
}

// mostDismissed is how many connections in a row a server may dismiss before they are
// proven until that counts as a failed attempt.
const mostDismissed = 3

// Next returns the link after event e, and the effects of the step.
//
// A lost connection is replaced at once if it was proven, since servers routinely
// close connections when they restart or when a connection reaches its maximum age.
// If that happens again at once, there is a pause, which does not make the endpoint
// one in trouble. A connection lost before it was proven counts as a failed attempt;
// otherwise a server that accepts connections and closes them would be dialled in a
// tight loop. But if the server has dismissed it, as when connections reach their maximum
// age on a machine that is too busy to answer in time, there is only a pause, up to
// mostDismissed times in a row.
func (l Link) Next(e LinkEvent) (Link, LinkEffects) {
	switch {
	case l.Phase == Closed:
		return l, LinkEffects{}
	case e == LinkClose:
		return Link{Phase: Closed}, LinkEffects{Retire: true}
	case e == LinkTry && l.Phase == Waiting:
		return Link{Phase: Connecting, Dismissed: l.Dismissed}, LinkEffects{Dial: true}
	case e == LinkUp && l.Phase == Connecting:
		return Link{Phase: Ready, Dismissed: l.Dismissed}, LinkEffects{}
	case e == LinkProven && l.Phase == Ready && !l.Proven:
		return Link{Phase: Ready, Proven: true}, LinkEffects{Reset: true}
	case e == LinkDownAgain && l.Phase == Ready && l.Proven:
		return Link{Phase: Waiting}, LinkEffects{Retire: true, BackOff: true, Lost: true}
	case e == LinkDismissed && l.Phase == Ready && !l.Proven && l.Dismissed < mostDismissed:
		return Link{Phase: Waiting, Dismissed: l.Dismissed + 1}, LinkEffects{Retire: true, BackOff: true, Lost: true}
	case e == LinkDownAgain, e == LinkDismissed:
		return l.Next(LinkDown)
	case e == LinkDown && l.Phase == Ready && l.Proven:
		return Link{Phase: Connecting}, LinkEffects{Retire: true, Dial: true, Lost: true}
	case e == LinkDown && l.Phase == Ready:
		return Link{Phase: Waiting}, LinkEffects{Retire: true, BackOff: true, Lost: true, Failed: true}
	case e == LinkDown && l.Phase == Connecting:
		return Link{Phase: Waiting}, LinkEffects{Retire: true, BackOff: true, Failed: true}
	default:
		return l, LinkEffects{}
	}
}
