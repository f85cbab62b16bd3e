package telling

import "time"

// An endpoint whose state flaps must not fill the log: it gets Burst lines at once,
// and then one line each Gap.
const (
	Burst = 10
	Gap   = 10 * time.Second
)

// logLimit is the state machine that limits the lines about one endpoint. Changes that
// are left out are counted, and the next line reports how many there were. The newest
// change is never lost: it waits for its line.
type logLimit struct {
	// lines limits the lines of changes that matter. passing limits those of suspicions
	// that come and go, which must not use up the lines of the others.
	lines, passing bucket
	omitted        int  // changes left out since the last line
	waits          bool // the newest change that matters is one of them
}

// logEffects is what the owner does with a change.
type logEffects struct {
	// write the change, and report how many before it were left out.
	write   bool
	omitted int
	// keep the change in place of the one kept before: it waits for its line.
	keep bool
}

// offer returns the limit after a change at now, and what to do with the change.
//
//	matters   a line left    -> write
//	matters   none left      -> keep
//	passing   a line left    -> write   unless another waits, which is older
//	passing   none left      -> leave out
func (l logLimit) offer(now time.Time, passing bool) (logLimit, logEffects) {
	var ok bool
	switch {
	case !passing:
		l.lines, ok = l.lines.take(now)
	case !l.waits:
		l.passing, ok = l.passing.take(now)
	}
	if !ok {
		l.omitted++
		l.waits = l.waits || !passing
		return l, logEffects{keep: !passing}
	}
	effects := logEffects{write: true, omitted: l.omitted}
	l.omitted, l.waits = 0, false
	return l, effects
}

// due reports whether the change that waits can be written at now.
func (l logLimit) due(now time.Time) (logLimit, logEffects) {
	if !l.waits {
		return l, logEffects{}
	}
	next, ok := l.lines.take(now)
	if !ok {
		return l, logEffects{}
	}
	effects := logEffects{write: true, omitted: l.omitted - 1}
	return logLimit{lines: next, passing: l.passing}, effects
}

// bucket is a token bucket of Burst lines that gains one each Gap: the time at which
// it is full again.
type bucket struct{ full time.Time }

func (b bucket) take(now time.Time) (bucket, bool) {
	if b.free().After(now) {
		return b, false
	}
	if b.full.Before(now) {
		b.full = now
	}
	return bucket{b.full.Add(Gap)}, true
}

// free returns when there is a line left.
func (b bucket) free() time.Time { return b.full.Add(-(Burst - 1) * Gap) }

// idle reports whether the limit equals a new one.
func (l logLimit) idle(now time.Time) bool {
	return !l.waits && l.omitted == 0 && !l.lines.full.After(now) && !l.passing.full.After(now)
}
