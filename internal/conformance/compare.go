package main

import (
	"maps"
	"slices"
)

// standing says what the result of one test means.
type standing int

const (
	passes    standing = iota // or is skipped
	known                     // fails with this library alone, as docs/conformance.md says
	notOurs                   // fails with round_robin too
	unsteady                  // failed once, then passed twice; or the opposite
	failsNew                  // fails with this library alone, and is not listed
	passesNow                 // passes, although docs/conformance.md says that it fails
	isGone                    // listed in docs/conformance.md, but there is no such test
)

// verdict is the result of one suite.
type verdict struct {
	of     map[standing][]string // the tests, in order
	ours   results               // of the first run
	passed int
}

// broken reports whether this suite makes the check fail.
func (v verdict) broken() bool {
	return len(v.of[failsNew])+len(v.of[passesNow])+len(v.of[isGone]) > 0
}

// doubtful returns the tests whose result in ours is not as expected, so that they
// must run again: those that fail with this library alone and are not known to, and
// those that are known to fail and pass. Tests that were not to run are ignored.
func doubtful(ours, control results, expected map[string]difference) []string {
	var out []string
	for name, r := range ours {
		d, isKnown := expected[name]
		switch {
		case r.failed && !isKnown && !control[name].failed,
			!r.failed && isKnown && !d.sometimes:
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// failures returns the names of the tests that failed.
func failures(all results) []string {
	var out []string
	for name, r := range all {
		if r.failed {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// compare returns what each result means. control has at least the tests that fail
// in ours; again holds the later runs of the doubtful tests. whole says that the
// suite ran with all its tests, so that a test without a result does not exist.
func compare(ours, control results, again []results, expected map[string]difference, whole bool) verdict {
	v := verdict{of: make(map[standing][]string), ours: ours}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		s := stands(name, ours, control, again, expected)
		if s == passes {
			v.passed++
			continue
		}
		v.of[s] = append(v.of[s], name)
	}
	if whole {
		for _, name := range slices.Sorted(maps.Keys(expected)) {
			if _, ran := ours[name]; !ran {
				v.of[isGone] = append(v.of[isGone], name)
			}
		}
	}
	return v
}

func stands(name string, ours, control results, again []results, expected map[string]difference) standing {
	failed := ours[name].failed
	d, isKnown := expected[name]
	switch {
	case failed && control[name].failed:
		return notOurs
	case failed && isKnown:
		return known
	case !failed && (!isKnown || d.sometimes):
		return passes
	}
	different := 0 // of the later runs
	for _, r := range again {
		if later, ran := r[name]; ran && later.failed != failed {
			different++
		}
	}
	switch {
	case failed && len(again) > 0 && different == len(again), !failed && different > 0:
		return unsteady
	case failed:
		return failsNew
	default:
		return passesNow
	}
}
