package view

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/report"
)

// Held returns how many of the leases this process holds, in words.
func Held(leases []report.LeaseStatus) string {
	held, noun := 0, "leases"
	for _, l := range leases {
		if l.Held {
			held++
		}
	}
	if len(leases) == 1 {
		noun = "lease"
	}
	return fmt.Sprintf("%d of %d %s held by this process", held, len(leases), noun)
}

// Leases returns leases as a table, one line for each. Ages are relative to now.
func Leases(leases []report.LeaseStatus, now time.Time) string {
	var out strings.Builder
	out.WriteString(Held(leases) + "\n")
	rows := [][]cell{plain("LEASE", "STATE", "FOR", "TOKEN", "HOLDER", "TROUBLE")}
	for _, l := range leases {
		rows = append(rows, plain(l.Name, string(l.State), Ago(l.Since, now), strconv.FormatUint(l.Token, 10),
			cmp.Or(l.Holder, Unknown), Trouble(l)))
	}
	align(&out, rows)
	return out.String()
}

// Trouble returns what is wrong with a candidate for a lease, or "" if nothing is. It may
// contain printable text from the store.
func Trouble(l report.LeaseStatus) string {
	var list []string
	if l.Stuck {
		list = append(list, "its work has not returned")
	}
	if l.StoreFailing {
		list = append(list, "the store fails: "+cmp.Or(l.StoreError, "no answer"))
	}
	return strings.Join(list, "; ")
}
