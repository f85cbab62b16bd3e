// Package share decides how many leases of a group a process holds, and which of them
// it leaves to another one.
//
// # Why
//
// There is no list of the processes of a group: who holds a lease is seen in the store,
// and who holds none is not. So a process that should have more says so, by holding a
// lease that is for that alone, and the one that holds the most leaves it one of its
// own. This is decided here, by a pure function of what one process has seen, so that
// it can be run with many processes in a test. Package lease does it.
package share

import "slices"

// View is what one process has seen.
type View struct {
	// Me is the process's own name.
	Me string
	// Holders are the holders of all names of the group, "" for a lease that is free.
	Holders []string
	// Wanter is the process that says that it should have more, "" for none.
	Wanter string
}

// Plan is what the process should do.
type Plan struct {
	// Want: it should say that it should have more.
	Want bool
	// Yield: it should leave one of its leases to the wanter.
	Yield bool
	// Ahead is how many more it holds than the one with the fewest: how long it should
	// leave others a lease that has become free.
	Ahead int
}

// Decide makes a plan of a view.
func Decide(v View) Plan {
	counts := map[string]int{v.Me: 0}
	if v.Wanter != "" {
		counts[v.Wanter] = 0
	}
	free := 0
	for _, holder := range v.Holders {
		if holder == "" {
			free++
		} else {
			counts[holder]++
		}
	}
	mine, fewest, most, first := counts[v.Me], counts[v.Me], counts[v.Me], v.Me
	for who, n := range counts {
		fewest = min(fewest, n)
		if n > most || n == most && who < first {
			most, first = n, who
		}
	}
	return Plan{
		Want:  most-mine >= 2,
		Yield: v.Wanter != "" && free == 0 && first == v.Me && mine-counts[v.Wanter] >= 2,
		Ahead: mine - fewest,
	}
}

// Newest returns the lease that a process leaves to others: the one that it has held
// for the shortest time, so that what has settled stays. since is ordered by time.
func Newest[T any](held []T, since func(a, b T) int) (newest T, ok bool) {
	if len(held) == 0 {
		return newest, false
	}
	return slices.MaxFunc(held, since), true
}
