package endpointset

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/explain"
	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/report"
)

// An endpoint that has left the list is leaving: it is connected, probed and picked
// like any other until the list can carry the calls, so that a list of servers that do
// not work is not an outage. It never takes part in what is said of the list: it has
// no entry in the counts, the drained names, the explanations.

// listHandover is the handover of the set's list, which the old endpoints have left. The
// set's lock is held when its methods are called.
type listHandover struct {
	*handover

	// mode replaces the setting Handover; "" if it was not set.
	mode settings.Handover
}

func newListHandover(s *Set) *listHandover {
	h := new(listHandover)
	h.handover = newHandover(s, h.release)
	h.ofList = h
	return h
}

// amend adds what the handover depends on besides the endpoints in it.
func (h *listHandover) amend(f *machine.HandoverFacts) {
	s := h.set
	f.Able = s.counts[judge.Eligible] > 0
	f.Insisted = cmp.Or(h.mode, s.cfg.Handover) == settings.HandoverImmediate || len(s.list) == len(s.drained) // or both are 0
	if s.choice == nil {
		return
	}
	if pinned := s.choice.state.Pinned(); pinned != "" {
		e := s.byName[pinned]
		f.Able = e != nil && e.was.Class == judge.Eligible
	}
	if a := s.choice.active; f.Able && a != nil && a.unlisted {
		h.amendSwitch(f, a)
	}
}

// preferredPatience is how long the switch to an endpoint of a new list waits for one
// that is preferred to it. Two that connect at the same time are ready within less.
const preferredPatience = 250 * time.Millisecond

// amendSwitch adds what the switch from an active endpoint that is leaving waits
// for although an endpoint of the list is eligible: its own successor, and for a moment
// an endpoint that is preferred.
func (h *listHandover) amendSwitch(f *machine.HandoverFacts, active *endpoint) {
	s := h.set
	if successor := s.byName[active.name]; successor != nil && successor.joins != nil {
		return
	}
	f.Awaited, f.Patience = false, preferredPatience
	var best *endpoint // of those that are eligible or may be soon
	for _, e := range s.list {
		soon := e.joins != nil && !e.drained
		if (soon || e.was.Class == judge.Eligible) && (best == nil || e.priority < best.priority) {
			best, f.Awaited = e, soon
		}
	}
}

// tell reports that the new list cannot carry the calls, and the end of that.
func (h *listHandover) tell(was machine.Handover, effects machine.HandoverEffects) {
	s, now := h.set, time.Now()
	switch {
	case effects.Hold:
		s.emitLocked(report.Event{
			Kind: report.EventHandover, To: report.HandoverHeld, Reason: report.ReasonNoneEligible,
			Detail: h.whyHeld(), At: now,
		})
	case effects.Over:
		s.emitLocked(report.Event{
			Kind: report.EventHandover, From: report.HandoverHeld, To: report.HandoverEnded, Held: now.Sub(was.Since), At: now,
		})
	}
}

// whyHeld returns which endpoints are leaving and why they still are, as text of
// bounded length.
func (h *listHandover) whyHeld() string {
	var names []string
	for _, e := range h.old[:min(len(h.old), maxExplained)] {
		names = append(names, e.name)
	}
	return fmt.Sprintf("leaving: %s; %v", explain.Names(names, len(h.old)), h.set.explainLocked())
}

// status returns the status of the handover, nil if no endpoint is leaving.
func (h *listHandover) status() *report.HandoverStatus {
	if len(h.old) == 0 {
		return nil
	}
	out := &report.HandoverStatus{
		Since: h.state.Since, Reason: report.ReasonUndecided, Detail: h.set.explainLocked().Reasons(),
	}
	if h.state.Phase == machine.Holding {
		out.Reason = report.ReasonNoneEligible
	}
	return out
}

// leaveLocked takes an endpoint off the list. One that has never served, or is drained,
// is not waited for.
func (e *endpoint) leaveLocked(now time.Time) (leaves bool) {
	s := e.set
	e.unlisted, e.leavingSince = true, now
	s.counts[e.was.Class]--
	if e.joins != nil {
		e.joins.forget(e)
	}
	if leaves = e.served && !e.drained; leaves {
		s.handover.leave(e)
	}
	return leaves
}

// listedAgainLocked puts an endpoint that is leaving back into the list.
func (e *endpoint) listedAgainLocked() {
	s := e.set
	s.handover.old = slices.DeleteFunc(s.handover.old, func(x *endpoint) bool { return x == e })
	e.unlisted, e.leavingSince = false, time.Time{}
	s.counts[e.was.Class]++
	if e.superseded {
		e.superseded = false
		e.changedLocked("", e.was.State, e.was.Why)
	}
}

// releaseLocked ends an endpoint that has left the list.
func (e *endpoint) releaseLocked() {
	if !e.superseded {
		e.changedLocked(e.was.State, report.StateRemoved, judge.Why{}) // its last event
	}
	e.closeLocked()
}

// releaseServer releases the endpoints that are leaving because something other
// than the address of e, which has their name, has changed: they are the same server.
func (h *listHandover) releaseServer(e *endpoint) {
	is := func(x *endpoint) bool {
		return x.name == e.name && slices.EqualFunc(x.want.Addrs, e.want.Addrs, func(a, b resolver.Address) bool { return a.Addr == b.Addr })
	}
	var released []*endpoint
	for _, x := range h.old {
		if is(x) {
			released = append(released, x)
		}
	}
	if len(released) > 0 {
		h.old = slices.DeleteFunc(h.old, is)
		h.release(released)
	}
}

// release ends endpoints that have left the list.
func (h *listHandover) release(old []*endpoint) {
	h.set.choice.members()
	for _, e := range old {
		e.releaseLocked()
	}
	h.set.changedLocked()
}

// SetHandover replaces the setting Handover of the configuration; the zero value means
// HandoverKeep.
func (s *Set) SetHandover(mode settings.Handover) {
	s.scope.Lock()
	defer s.scope.Unlock()
	if s.handover.mode = cmp.Or(mode, settings.HandoverKeep); !s.scope.Closed() {
		s.handover.settle()
	}
}

// HandOver ends the handover, whether the list can carry the calls or not.
func (s *Set) HandOver() {
	s.scope.Lock()
	if !s.scope.Closed() {
		f := s.handover.facts()
		f.Insisted = true
		s.handover.step(f)
	}
	s.scope.Unlock()
	s.pub.Now()
}

// WaitHandover waits until no endpoint is leaving, or ctx ends; the error then says
// why one still is. Calls made after it has returned nil go to endpoints of the list.
func (s *Set) WaitHandover(ctx context.Context) error {
	for {
		s.scope.Lock()
		over, changed, stopped := len(s.handover.old) == 0, s.changed.next(), s.scope.Closed()
		why := s.handover.whyHeld()
		s.scope.Unlock()
		switch {
		case stopped:
			return ErrClosed
		case over:
			s.pub.Now()
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the handover is not over: %s: %w", why, ctx.Err())
		}
	}
}
