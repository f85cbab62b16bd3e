package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

// result is the result of a run.
type result struct {
	payments int
	// lost counts payments that are not in the ledger, and twice those that are
	// there more than once.
	lost, twice int
	// wrong counts payments for which the client received a wrong outcome, and
	// unknown those whose outcome it could not learn.
	wrong, unknown int
	// updates counts the updates that were seen, gaps those that were missing, and
	// repeated those that were seen again.
	updates, gaps, repeated int
	faults                  []fault
}

// add adds the results of a run.
func (r *result) add(told map[string]error, seen []update, ledger []participant.Update) {
	times := make(map[string]int)
	for _, u := range ledger {
		times[u.Text]++
	}
	r.payments = len(told)
	for payment, err := range told {
		switch n := times[payment]; {
		case n == 0:
			r.lost++
		case n > 1:
			r.twice++
		}
		switch {
		case errors.Is(err, errUnknown):
			r.unknown++
		case (err == nil) != (times[payment] > 0):
			r.wrong++
		}
	}
	had := make(map[int64]bool)
	for _, u := range seen {
		if had[u.offset] {
			r.repeated++
		}
		had[u.offset] = true
	}
	r.updates = len(had)
	r.gaps = len(ledger) - len(had)
	for i := range r.faults {
		r.faults[i].silence = silence(seen, r.faults[i].at)
	}
}

// silence returns the longest time between two consecutive updates of which the
// later one arrived after at and the earlier one less than four seconds after at.
// It returns 0 if no more updates arrived.
func silence(seen []update, at time.Time) time.Duration {
	i := slices.IndexFunc(seen, func(u update) bool { return u.at.After(at) })
	if i < 0 {
		return 0
	}
	var longest time.Duration
	for i := max(i, 1); i < len(seen) && seen[i-1].at.Sub(at) < 4*time.Second; i++ {
		longest = max(longest, seen[i].at.Sub(seen[i-1].at))
	}
	return longest
}

// String returns the result in one line.
func (r result) String() string {
	w := new(strings.Builder)
	fmt.Fprintf(w, "payments: %d, lost %d, twice %d, reported wrongly %d, unknown %d; updates: %d, missed %d, repeated %d",
		r.payments, r.lost, r.twice, r.wrong, r.unknown, r.updates, r.gaps, r.repeated)
	for _, f := range r.faults {
		fmt.Fprintf(w, "; %s: takeover %v, silence %v", f.kind, f.takeover.Round(time.Millisecond), shown(f.silence))
	}
	return w.String()
}

func shown(d time.Duration) string {
	if d == 0 {
		return "permanent"
	}
	return d.Round(10 * time.Millisecond).String()
}

// spread returns the median and the maximum of the runs' silences for one kind of
// fault, and of the takeovers. A silence without end is the maximum.
func spread(all []result, kind string) (silenceMedian, silenceWorst, takeoverMedian, takeoverWorst time.Duration) {
	var silences, takeovers []time.Duration
	for _, r := range all {
		for _, f := range r.faults {
			if f.kind == kind {
				if f.silence == 0 {
					f.silence = time.Duration(1<<63 - 1)
				}
				silences, takeovers = append(silences, f.silence), append(takeovers, f.takeover)
			}
		}
	}
	pick := func(list []time.Duration) (median, worst time.Duration) {
		if len(list) == 0 {
			return 0, 0
		}
		slices.Sort(list)
		for i := range list {
			if list[i] == 1<<63-1 {
				list[i] = 0
			}
		}
		return list[len(list)/2], list[len(list)-1]
	}
	silenceMedian, silenceWorst = pick(silences)
	takeoverMedian, takeoverWorst = pick(takeovers)
	return silenceMedian, silenceWorst, takeoverMedian, takeoverWorst
}

// sum adds up the runs.
func sum(all []result) (total result) {
	for _, r := range all {
		total.payments += r.payments
		total.lost += r.lost
		total.twice += r.twice
		total.wrong += r.wrong
		total.unknown += r.unknown
		total.updates += r.updates
		total.gaps += r.gaps
		total.repeated += r.repeated
	}
	return total
}

// summary returns the last lines of output for one client.
func summary(all []result) string {
	w := new(strings.Builder)
	for _, kind := range []string{"kill", "hang"} {
		median, worst, takeover, worstTakeover := spread(all, kind)
		fmt.Fprintf(w, "%s: silence of the stream: median %v, worst %v; takeover: median %v, worst %v\n",
			kind, shown(median), shown(worst), shown(takeover), shown(worstTakeover))
	}
	fmt.Fprintln(w, sum(all))
	return w.String()
}

// page returns the page that compares the clients.
func page(s settings, all map[string][]result) string {
	w := new(strings.Builder)
	fmt.Fprintf(w, `# Package ledger and hand-written programs

This page is made by a command; do not edit it by hand.

    go run ./examples/ledger-submitter -runs %d -duration %v -rate %d -compare > docs/ledger.md

Two replicas of a participant, each a process, share one PostgreSQL database. The replica that holds an
advisory lock there is active, and connections to the other one are refused. A program makes %d payments a second and
follows the updates. After a third of a run the active replica is killed (SIGKILL). After two thirds the next one
hangs (SIGSTOP), and its session in the database is ended, so that the other one can take over. Takeovers are as the
replicas report them.

- **ledger**: `+"`ledger.Submit` and `ledger.Updates`"+` over a `+"`cantonlb.Client`"+` of role ParticipantLedger.
- **loop**: plain grpc over both addresses (pick_first), with what many programs add by hand: a fixed pause of %v before
  the next attempt, a new command ID for it, and the stream reopened after the last offset.
- **grpc**: plain grpc over both addresses, with a deadline only.

A payment is lost if it is not in the ledger at the end. It is reported wrongly if the client's outcome differs from
the ledger.

| client | runs | payments | lost | executed twice | reported wrongly | unknown | updates missed | updates repeated |
|---|---|---|---|---|---|---|---|---|
`, s.runs, s.duration, s.rate, s.rate, backoff)
	for _, name := range clients {
		r := sum(all[name])
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n",
			name, len(all[name]), r.payments, r.lost, r.twice, r.wrong, r.unknown, r.gaps, r.repeated)
	}
	fmt.Fprint(w, `
Time without updates on the stream, median and worst of the runs:

| client | after a kill | takeover | after a hang | takeover |
|---|---|---|---|---|
`)
	for _, name := range clients {
		km, kw, ktm, ktw := spread(all[name], "kill")
		hm, hw, htm, htw := spread(all[name], "hang")
		fmt.Fprintf(w, "| %s | %s, %s | %s, %s | %s, %s | %s, %s |\n", name,
			shown(km), shown(kw), shown(ktm), shown(ktw), shown(hm), shown(hw), shown(htm), shown(htw))
	}
	return w.String()
}
