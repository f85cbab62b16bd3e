package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/scope"
)

// handover lets endpoints connect and be judged while others continue to serve. It is
// the set's only mechanism of make-before-break: for a list that replaces another (see
// leaving.go), and for the renewal of an endpoint (see renewing.go). Package machine
// decides when it ends. The set's lock guards it, and is held when its methods are called.
type handover struct {
	set     *Set
	state   machine.Handover
	joining map[*endpoint]struct{} // endpoints that are not decided
	old     []*endpoint            // endpoints that serve until the end
	timer   scope.Timer            // of the next step
	// end is called at the end.
	end func(old []*endpoint)
	// ofList is the handover of the set's list, if this is it.
	ofList *listHandover
}

// newHandover returns a handover that ends when the endpoints that join are decided,
// whatever they are.
func newHandover(s *Set, end func(old []*endpoint)) *handover {
	return &handover{set: s, joining: make(map[*endpoint]struct{}), end: end}
}

// join makes the handover wait for an endpoint.
func (h *handover) join(e *endpoint) {
	e.joins = h
	h.joining[e] = struct{}{}
}

// leave makes an endpoint serve until the end.
func (h *handover) leave(e *endpoint) { h.old = append(h.old, e) }

// forget makes the handover no longer wait for an endpoint.
func (h *handover) forget(e *endpoint) {
	delete(h.joining, e)
	e.joins = nil
}

// facts returns what the handover depends on.
func (h *handover) facts() machine.HandoverFacts {
	f := machine.HandoverFacts{Leaving: len(h.old) > 0, Able: true, Awaited: len(h.joining) > 0}
	if h.ofList != nil {
		h.ofList.amend(&f)
	}
	return f
}

// settle moves the handover after a change of what it depends on.
func (h *handover) settle() { h.step(h.facts()) }

func (h *handover) step(f machine.HandoverFacts) {
	was := h.state
	var effects machine.HandoverEffects
	h.state, effects = was.Next(f, time.Now())
	h.timer.Stop()
	if !effects.Wake.IsZero() {
		h.timer.Arm(h.set.scope, time.Until(effects.Wake), h.settle)
	}
	if effects.Release {
		old := h.old
		h.stop()
		h.end(old)
	}
	if h.ofList != nil {
		h.ofList.tell(was, effects)
	}
}

// stop ends the handover without calling end.
func (h *handover) stop() {
	for e := range h.joining {
		h.forget(e)
	}
	h.old, h.state = nil, machine.Handover{}
	h.timer.Stop()
}
