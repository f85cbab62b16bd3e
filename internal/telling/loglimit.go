package telling

import "time"

// An endpoint that flaps must not fill the log: it gets Burst lines at once,
// and then one each Gap.
const (
	Burst = 10
	Gap   = 10 * time.Second
)

// logLimit is the state machine of how many lines there are about one endpoint.
// What is left out is counted, and the next line tells how many there were. The
// newest change is never left out for good: it waits for its line.
type logLimit struct {
	// lines are those of changes that matter, passing ones those of suspicions
	// that come and go: they must not use up the lines of the others.
	lines, passing bucket
	omitted        int  // changes since the last line that had none
	waits          bool // the newest change that matters is one of them
}

// logEffects is what is to be done with a change.
type logEffects struct {
	// write it, and tell how many before it were left out.
	write   bool
	omitted int
	// keep it, in place of what was kept before: it waits for its line.
	keep bool
}

// offer is a pure function of the limit before and a change at now.
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

// due tells whether what waits can be written at now.
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

// bucket is a bucket of Burst lines that is refilled by one each Gap: the
// time at which it is full again.
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

// free is when there is a line left.
func (b bucket) free() time.Time { return b.full.Add(-(Burst - 1) * Gap) }

// idle tells that the limit is as good as a new one.
func (l logLimit) idle(now time.Time) bool {
	return !l.waits && l.omitted == 0 && !l.lines.full.After(now) && !l.passing.full.After(now)
}
