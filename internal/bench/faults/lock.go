package faults

import (
	"slices"
	"time"
)

// lock is the lock that all replicas share, as those of a Canton node share one in
// their database: exactly one replica holds it and is active. It is kept in the
// parent process, so that a run can set the time of a takeover. It is a pure state
// machine. The zero value, with a takeover, is free and may be taken at once.
type lock struct {
	takeover time.Duration // from when it is free until it may be taken

	holder  string
	free    time.Time // since when it is free
	waiting []string  // in the order in which they came
}

// lockEvent is an event of the lock.
type lockEvent struct {
	kind    lockEventKind
	replica string
	at      time.Time
}

type lockEventKind int

const (
	lockWanted lockEventKind = iota // a replica wants it, now or when it is free
	lockLeft                        // a replica has given it up, or is gone
	lockAsked                       // time has passed
)

// due returns from when the lock may be taken, if it is free.
func (l lock) due() time.Time { return l.free.Add(l.takeover) }

// next returns the lock after an event, and the replica that holds it from then on,
// if that has changed.
func (l lock) next(e lockEvent) (_ lock, granted string) {
	l.waiting = slices.Clone(l.waiting)
	switch e.kind {
	case lockWanted:
		if e.replica != l.holder && !slices.Contains(l.waiting, e.replica) {
			l.waiting = append(l.waiting, e.replica)
		}
	case lockLeft:
		l.waiting = slices.DeleteFunc(l.waiting, func(name string) bool { return name == e.replica })
		if e.replica == l.holder {
			l.holder, l.free = "", e.at
		}
	case lockAsked:
		if l.holder == "" && len(l.waiting) > 0 && !e.at.Before(l.due()) {
			l.holder, l.waiting = l.waiting[0], l.waiting[1:]
			return l, l.holder
		}
	}
	return l, ""
}
