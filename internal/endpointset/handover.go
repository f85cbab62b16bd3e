package endpointset

import "time"

// handover is that endpoints connect and are judged while others serve on: the one way in
// which the set makes before it breaks. A list that replaces another is one, and so is the
// renewal of an endpoint. It ends when each that joins is decided, and at the latest after
// mostHandover. Set.mu guards it, and is held where its methods are called.
type handover struct {
	set     *Set
	joining map[*endpoint]struct{} // those that are not decided
	old     []*endpoint            // those that serve until it ends
	timer   *time.Timer            // ends it at the latest; nil while there is nothing to end
	// end is what is done at its end.
	end func(old []*endpoint)
}

// mostHandover bounds how long endpoints that have left the list go on serving
// while those that have joined it find out what they are.
const mostHandover = 5 * time.Second

func (s *Set) newHandover(end func(old []*endpoint)) *handover {
	return &handover{set: s, joining: make(map[*endpoint]struct{}), end: end}
}

// join has the handover wait for an endpoint.
func (h *handover) join(e *endpoint) {
	e.joins = h
	h.joining[e] = struct{}{}
}

// leave has an endpoint serve until the end.
func (h *handover) leave(e *endpoint) { h.old = append(h.old, e) }

// forget has the handover wait for an endpoint no more.
func (h *handover) forget(e *endpoint) {
	delete(h.joining, e)
	e.joins = nil
}

// settle ends the handover if nothing is waited for any more, and has it end at the
// latest in time otherwise.
func (h *handover) settle() {
	switch {
	case len(h.old) == 0:
	case len(h.joining) == 0:
		old := h.old
		h.stop()
		h.end(old)
	case h.timer == nil:
		h.set.armLocked(&h.timer, mostHandover, h.timeIsUp)
	}
}

// timeIsUp is for endpoints that cannot make up their minds.
func (h *handover) timeIsUp() {
	for e := range h.joining {
		h.forget(e)
	}
	h.settle()
}

// stop ends the handover, and does nothing else.
func (h *handover) stop() {
	for e := range h.joining {
		h.forget(e)
	}
	h.old = nil
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}
