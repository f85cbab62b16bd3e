package endpointset

import "time"

// handover lets endpoints connect and be judged while others continue to serve. It is
// the set's only mechanism of make-before-break. A list that replaces another is one,
// and so is the renewal of an endpoint. It ends when all joining endpoints are
// decided, and at the latest after mostHandover. Set.mu guards it, and is held when
// its methods are called.
type handover struct {
	set     *Set
	joining map[*endpoint]struct{} // endpoints that are not decided
	old     []*endpoint            // endpoints that serve until the end
	timer   *time.Timer            // ends the handover at the latest; nil while there is nothing to end
	// end is called at the end.
	end func(old []*endpoint)
}

// mostHandover bounds how long endpoints that have left the list continue to serve
// while those that have joined it are undecided.
const mostHandover = 5 * time.Second

func (s *Set) newHandover(end func(old []*endpoint)) *handover {
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

// settle ends the handover if it no longer waits for an endpoint, and otherwise sets
// the timer that ends it.
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

// timeIsUp ends a handover whose endpoints are still undecided.
func (h *handover) timeIsUp() {
	for e := range h.joining {
		h.forget(e)
	}
	h.settle()
}

// stop ends the handover without calling end.
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
