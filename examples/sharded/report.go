package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// report prints who has answered what, and compares the ledgers of the services with what
// was accepted: each command is in the ledger of the service that hosts its party, once,
// and in no other.
func report(ctx context.Context, out io.Writer, l *load, services []*service) error {
	problems := l.problems
	expected := maps.Clone(l.done)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "party\tparticipant service\tcommands, by the replica that wrote them\tHTTP responses, by the server")
	for _, s := range services {
		updates, err := s.store.All(ctx)
		if err != nil {
			return err
		}
		writers := make(map[string]map[string]int)
		for _, u := range updates {
			parts := strings.Split(u.CommandID, "|") // user, party, command
			party, id := parts[1], parts[2]
			switch {
			case !slices.Contains(s.parties, party):
				problems = append(problems, fmt.Errorf("%s has executed %s, whose party it does not host", s.name, id))
			case expected[id] == "":
				problems = append(problems, fmt.Errorf("%s has executed %s, which was not accepted, or twice", s.name, id))
			}
			delete(expected, id)
			if writers[party] == nil {
				writers[party] = make(map[string]int)
			}
			writers[party][u.Writer]++
		}
		for _, party := range s.parties {
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", party, s.name, counts(writers[party]), counts(l.servers[party]))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for id := range expected {
		problems = append(problems, fmt.Errorf("%s was accepted, and is in no ledger", id))
	}
	answered := 0
	for _, by := range l.servers {
		for _, n := range by {
			answered += n
		}
	}
	_, _ = fmt.Fprintf(out, "commands: %d, each once where its party is; HTTP responses: %d; failed: %d\n", len(l.done), answered, l.failed)
	const most = 10
	if len(problems) > most {
		problems = append(problems[:most:most], fmt.Errorf("and %d more", len(problems)-most))
	}
	return errors.Join(problems...)
}

// counts returns a text such as "north-1 20, north-2 31".
func counts(by map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, by[name]))
	}
	return strings.Join(parts, ", ")
}
