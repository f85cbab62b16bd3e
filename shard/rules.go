package shard

import "slices"

// subject is a party or a user that must be on the shard of a request.
type subject struct {
	party, user string
	// act is true if the shard must be able to submit for the party.
	act bool
	// strict is true if the shard must be the only one: nothing is preferred, and a shard
	// that has not answered is a reason to refuse.
	strict bool
	// refined is true if a user that several shards have is on the one of them that hosts
	// its parties.
	refined bool
	// answers holds one for each shard, in the order of their names.
	answers []Answer
	// home is the shard that took submissions of the party before; "" for none.
	home string
}

// suitable is whether a shard can take a request.
type suitable uint8

const (
	no suitable = iota
	unknown
	yes
)

// at returns whether the shard of this answer can take a request with the subject alone.
func (s *subject) at(a Answer) suitable {
	switch {
	case a.Standing == StandingUnknown, s.act && a.Listed:
		return unknown
	case a.Standing != StandingHosted:
		return no
	case s.act && (a.Permission == PermissionObservation || a.Permission == PermissionConfirmation):
		return no
	}
	return yes
}

// said returns the answers as far as they count for the subject.
func (s *subject) said() []Answer {
	list := slices.Clone(s.answers)
	for i := range list {
		if s.at(list[i]) == unknown {
			list[i].Standing = StandingUnknown
		}
	}
	return list
}

// unsettled reports whether a shard has not answered.
func (s subject) unsettled() bool {
	return slices.ContainsFunc(s.answers, func(a Answer) bool { return s.at(a) == unknown })
}

// on returns the shards that can take a request with the subject alone.
func (s *subject) on() []string {
	var names []string
	for _, a := range s.answers {
		if s.at(a) == yes {
			names = append(names, a.Shard)
		}
	}
	return names
}

// preference is what the config prefers among several shards.
type preference struct {
	// order lists shards, the most preferred first; the others come after them.
	order      []string
	permission bool
	spread     bool
}

// none reports whether nothing is preferred.
func (p preference) none() bool { return len(p.order) == 0 && !p.permission }

// rank orders shards: a higher one is preferred.
type rank struct{ permission, order int }

func (r rank) beats(other rank) bool {
	if r.permission != other.permission {
		return r.permission > other.permission
	}
	return r.order > other.order
}

// levels orders the permissions. One that is not known may be any.
var levels = map[Permission]int{PermissionObservation: 1, PermissionConfirmation: 2, PermissionUnknown: 3, PermissionSubmission: 4}

// of returns the rank of the i-th shard. A subject that is not known to be there counts
// as if it could submit there.
func (p preference) of(subjects []subject, i int) rank {
	r := rank{permission: levels[PermissionSubmission]}
	for _, s := range subjects {
		if a := s.answers[i]; s.party != "" && a.Standing == StandingHosted {
			r.permission = min(r.permission, levels[a.Permission])
		}
	}
	if !p.permission {
		r.permission = 0
	}
	r.order = -len(p.order)
	if at := slices.Index(p.order, subjects[0].answers[i].Shard); at >= 0 {
		r.order = -at
	}
	return r
}

// best returns the shard that is preferred among several, and those that are equal to it.
func (p preference) best(subjects []subject, can []int) (best int, tied []int) {
	if p.none() {
		return can[0], can
	}
	best, tied = can[0], []int{can[0]}
	for _, i := range can[1:] {
		switch r, b := p.of(subjects, i), p.of(subjects, best); {
		case r.beats(b):
			best, tied = i, []int{i}
		case !b.beats(r):
			tied = append(tied, i)
		}
	}
	return best, tied
}

// verdict is what is known of where a request goes.
type verdict struct {
	// shards are those that may take it: one, or several among which to spread. Empty if
	// err is set.
	shards []string
	err    error
	// open is true if a shard that has not answered could change the verdict.
	open bool
}

// decide is the rule by which a request with at least one subject finds its shard. It is
// a pure function. Each subject has answers of the same shards.
//
// A shard can take the request if it can take each subject. No such shard is an error.
// One is taken; of several the preferred one, or any if reads may be spread. A shard that
// has not answered does not delay a request for which there is another one, unless it
// would take it over later, which only reads may do.
func decide(kind Kind, subjects []subject, p preference) verdict {
	if slices.ContainsFunc(subjects, func(s subject) bool { return s.strict }) {
		p = preference{}
	}
	var can, may []int
	for i := range subjects[0].answers {
		all := yes
		for k := range subjects {
			all = min(all, subjects[k].at(subjects[k].answers[i]))
		}
		switch all {
		case yes:
			can = append(can, i)
		case unknown:
			may = append(may, i)
		case no:
		}
	}
	name := func(i int) string { return subjects[0].answers[i].Shard }
	if len(can) == 0 {
		return verdict{err: nowhere(subjects, may), open: slices.ContainsFunc(subjects, subject.unsettled)}
	}
	if kind == KindRead && p.spread {
		v := verdict{open: len(may) > 0}
		for _, i := range can {
			v.shards = append(v.shards, name(i))
		}
		return v
	}
	best, tied := p.best(subjects, can)
	if kind == KindSubmission && !p.none() {
		if home := atHome(subjects, can, name); home >= 0 {
			best, tied = home, []int{home}
		}
	}
	v := verdict{shards: []string{name(best)}, open: len(may) > 0}
	if len(tied) > 1 {
		return verdict{err: ambiguous(subjects, tied), open: v.open && !p.none()}
	}
	if kind == KindSubmission {
		if err := moved(subjects, name(best)); err != nil {
			return verdict{err: err, open: v.open}
		}
	}
	if i := contender(kind, subjects, p, best, may); i >= 0 {
		return verdict{err: undecided(subjects, name(best), may, i), open: true}
	}
	return v
}

// atHome returns the shard that took the submissions of all parties that act, as far as
// they have one, if it can take this one; -1 if there is none.
func atHome(subjects []subject, can []int, name func(int) string) int {
	home := ""
	for _, s := range subjects {
		switch {
		case !s.act || s.home == "":
		case home == "":
			home = s.home
		case home != s.home:
			return -1
		}
	}
	i := slices.IndexFunc(can, func(i int) bool { return name(i) == home })
	if i < 0 {
		return -1
	}
	return can[i]
}

// moved returns an error if a party that acts has another home than this shard.
func moved(subjects []subject, to string) error {
	for _, s := range subjects {
		if s.act && s.home != "" && s.home != to {
			return &MovedError{Party: s.party, From: s.home, To: to}
		}
	}
	return nil
}

// contender returns a shard that has not answered and to which the request would move, or
// because of which it would be refused although it must be the only one; -1 if there is
// none.
func contender(kind Kind, subjects []subject, p preference, best int, may []int) int {
	strict := slices.ContainsFunc(subjects, func(s subject) bool { return s.strict })
	for _, i := range may {
		switch {
		case strict:
			return i
		case kind == KindRead || p.none():
		case homeless(subjects) && p.of(subjects, i).beats(p.of(subjects, best)):
			return i
		}
	}
	return -1
}

// homeless reports whether no party that acts has a home, at which it would stay.
func homeless(subjects []subject) bool {
	return !slices.ContainsFunc(subjects, func(s subject) bool { return s.act && s.home != "" })
}

// nowhere returns the error of a request that no shard is known to be able to take.
func nowhere(subjects []subject, may []int) error {
	var where []Whereabouts
	for i := range subjects {
		s := &subjects[i]
		on := s.on()
		if len(on) == 0 {
			return &NowhereError{Party: s.party, User: s.user, Asked: s.said(), Submit: s.act}
		}
		where = append(where, Whereabouts{Party: s.party, User: s.user, Shards: on})
	}
	e := &SplitError{Where: where}
	for _, i := range may {
		e.Unknown = append(e.Unknown, subjects[0].answers[i].Shard)
	}
	return e
}

// ambiguous returns the error of a request that several shards can take.
func ambiguous(subjects []subject, tied []int) error {
	e := &AmbiguousError{}
	for _, s := range subjects {
		if s.party != "" {
			e.Parties = append(e.Parties, s.party)
		}
	}
	if len(e.Parties) == 0 {
		e.User = subjects[0].user
	}
	for _, i := range tied {
		e.Shards = append(e.Shards, subjects[0].answers[i].Shard)
	}
	return e
}

// undecided returns the error of a request that the i-th shard could take over. It is
// about the subject that is not known to be there.
func undecided(subjects []subject, shard string, may []int, i int) error {
	at := slices.IndexFunc(subjects, func(s subject) bool { return s.at(s.answers[i]) == unknown })
	s := subjects[at]
	e := &UndecidedError{Party: s.party, User: s.user, Shard: shard}
	said := s.said()
	for _, k := range may {
		if said[k].Standing == StandingUnknown {
			e.Unknown = append(e.Unknown, said[k])
		}
	}
	return e
}

// refine is the rule by which a user that exists on several shards is on one of them: the
// one that hosts its parties. parties returns whether the i-th shard hosts one of the
// parties that it says the user has. It is a pure function.
func refine(answers []Answer, parties func(i int) Standing) []Answer {
	refined := slices.Clone(answers)
	better := false
	for i := range refined {
		if refined[i].Standing != StandingHosted {
			continue
		}
		switch parties(i) {
		case StandingHosted:
			better = true
		case StandingAbsent:
			refined[i].Standing = StandingAbsent
		case StandingUnknown:
			refined[i] = Answer{Shard: refined[i].Shard, Standing: StandingUnknown, Detail: "it is not known whether it hosts the user's parties"}
			better = true
		}
	}
	if !better {
		return answers
	}
	return refined
}

// onSeveral reports whether several shards have a party or a user.
func onSeveral(answers []Answer) bool {
	n := 0
	for _, a := range answers {
		if a.Standing == StandingHosted {
			n++
		}
	}
	return n > 1
}
