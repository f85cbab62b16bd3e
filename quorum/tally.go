package quorum

// digest stands for an answer's key, so that keys need not be kept.
type digest [32]byte

// outlook is what can become of a read.
type outlook uint8

// The outlooks of a tally.
const (
	undecided  outlook = iota // answers are outstanding
	stalled                   // only answers that were given up as slow could still decide
	decided                   // enough members agree
	impossible                // no answer can get enough members any more
)

// tally is the state machine of one round of a read: a pure count of what was
// asked and answered, which says after each step whether that decides, and how many
// members to ask more. Make it with its limits set, and begin with start.
type tally struct {
	agree int // how many equal answers decide
	first int // how many are asked in the beginning, agree at least
	n     int // how many can be asked in all

	groups           []group // the answers by key, in order of the first of each
	asked            int
	answered, failed int
	slow             int // outstanding ones that are not counted on any more
}

// group is how many have given the same answer.
type group struct {
	key   digest
	count int
}

// advice is what to do after a step.
type advice struct {
	outlook outlook
	// ask is how many members to ask now, more than before.
	ask int
	// winner is the answer of a tally that is decided.
	winner digest
}

// start begins the round.
func (t *tally) start() advice {
	t.asked = min(max(t.first, t.agree), t.n)
	return advice{ask: t.asked}
}

// answer counts an answer. late reports that the member was counted as slow.
func (t *tally) answer(key digest, late bool) advice {
	t.answered++
	t.arrived(late)
	for i := range t.groups {
		if t.groups[i].key == key {
			t.groups[i].count++
			return t.advise()
		}
	}
	t.groups = append(t.groups, group{key: key, count: 1})
	return t.advise()
}

// fail counts a member that has no answer which could ever agree with another.
func (t *tally) fail(late bool) advice {
	t.failed++
	t.arrived(late)
	return t.advise()
}

// late counts an outstanding member as slow: it may still answer, but others are
// asked in its place.
func (t *tally) late() advice {
	t.slow++
	return t.advise()
}

func (t *tally) arrived(late bool) {
	if late {
		t.slow--
	}
}

// largest returns the answer that most members gave, the earliest of equals.
func (t *tally) largest() group {
	var best group
	for _, g := range t.groups {
		if g.count > best.count {
			best = g
		}
	}
	return best
}

// advise says what to do now, and takes the members to ask as asked.
func (t *tally) advise() advice {
	best := t.largest()
	outstanding := t.asked - t.answered - t.failed
	rest := t.n - t.asked
	switch {
	case best.count >= t.agree:
		return advice{outlook: decided, winner: best.key}
	case best.count+outstanding+rest < t.agree:
		return advice{outlook: impossible}
	}
	lacking := max(0, t.agree-best.count-(outstanding-t.slow))
	if lacking > rest { // each step lacks one more at most, so that rest is 0
		return advice{outlook: stalled}
	}
	t.asked += lacking
	return advice{ask: lacking}
}
