package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

// term is one time in which a process held the lease of a rule.
type term struct {
	rule, machine      string
	token              uint64
	began, first, last time.Duration
	// acts counts its actions, answers those of them that the ledger has, and earlier those
	// that were done already.
	acts, answers, earlier int
}

// outcome is what has become of the requests of a rule.
type outcome struct{ requests, answered, lost, twice int }

// verdict compares what the processes have told with the ledger.
type verdict struct {
	terms    []*term
	outcomes map[string]*outcome
	// outside counts the actions that a process took after another one's work had begun.
	outside int
}

// judge returns the verdict on the entries of a diary and a ledger.
func judge(entries []entry, ledger []participant.Update) verdict {
	v := verdict{outcomes: map[string]*outcome{}}
	terms := map[string]*term{}
	key := func(rule string, token uint64) string { return fmt.Sprint(rule, " ", token) }
	for _, e := range entries {
		if e.word == sayBegins {
			t := &term{rule: e.who.rule, machine: e.who.machine, token: e.token, began: e.at}
			terms[key(t.rule, t.token)] = t
			v.terms = append(v.terms, t)
		}
	}
	slices.SortFunc(v.terms, func(a, b *term) int {
		return cmp.Or(-cmp.Compare(a.rule, b.rule), cmp.Compare(a.token, b.token))
	})
	for _, e := range entries {
		t := terms[key(e.who.rule, e.token)]
		switch {
		case t == nil:
		case e.word == sayEarlier:
			t.earlier++
		case e.word == sayActs:
			if t.acts++; t.first == 0 {
				t.first = e.at
			}
			t.last = max(t.last, e.at)
			if slices.ContainsFunc(v.terms, func(o *term) bool { return o.rule == t.rule && o.token > t.token && o.began < e.at }) {
				v.outside++
			}
		}
	}
	for _, rule := range rules {
		v.outcomes[rule] = v.count(rule, ledger, func(text string) *term {
			var machine string
			var token uint64
			if _, err := fmt.Sscanf(text, "%s with token %d", &machine, &token); err != nil {
				return nil
			}
			return terms[key(rule, token)]
		})
	}
	return v
}

// count counts what the ledger has of a rule.
func (verdict) count(rule string, ledger []participant.Update, termOf func(text string) *term) *outcome {
	o, answers := &outcome{}, map[string]int{}
	for _, u := range ledger {
		id := u.CommandID[strings.LastIndexByte(u.CommandID, '|')+1:]
		if item, ok := strings.CutPrefix(id, answerID(rule, "")); ok {
			answers[item]++
			if t := termOf(u.Text); t != nil {
				t.answers++
			}
		}
	}
	for _, u := range ledger {
		id := u.CommandID[strings.LastIndexByte(u.CommandID, '|')+1:]
		item, ok := strings.CutPrefix(id, requestID(rule, ""))
		if !ok {
			continue
		}
		o.requests++
		switch n := answers[item]; {
		case n == 0:
			o.lost++
		case n > 1:
			o.twice++
			o.answered++
		default:
			o.answered++
		}
	}
	return o
}

// print prints the table of the terms; times are relative to began.
func (v verdict) print(out io.Writer, began time.Duration) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "RULE\tMACHINE\tTOKEN\tBEGAN\tFIRST ACTION\tLAST ACTION\tACTIONS\tON THE LEDGER\tFOUND DONE")
	seconds := func(at time.Duration) string {
		if at == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2fs", (at - began).Seconds())
	}
	for _, t := range v.terms {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\n",
			t.rule, t.machine, t.token, seconds(t.began), seconds(t.first), seconds(t.last), t.acts, t.answers, t.earlier)
	}
	_ = w.Flush() // there is nowhere else to report it
}

// summary returns the last line, and an error unless all is well.
func (v verdict) summary() (string, error) {
	var lines []string
	var problems []error
	for _, rule := range rules {
		o := v.outcomes[rule]
		lines = append(lines, fmt.Sprintf("%s: %d requests, %d answered, %d lost, %d answered twice", rule, o.requests, o.answered, o.lost, o.twice))
		if o.requests == 0 || o.lost > 0 || o.twice > 0 {
			problems = append(problems, fmt.Errorf("%s: want an answer for each request, and one only", rule))
		}
	}
	if v.outside > 0 {
		problems = append(problems, errors.New("a process has acted while another one held the lease"))
	}
	return fmt.Sprintf("%s; actions outside of a lease: %d", strings.Join(lines, "; "), v.outside), errors.Join(problems...)
}
