package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report writes what became of the suites: a table, then what is to be looked at.
type report struct {
	out          io.Writer
	otherVersion bool // than the document speaks of
	verbose      bool
	broken       bool
	details      strings.Builder
}

const row = "%-22s %-20s %6v %6v %6v %9v %9v %6v %7v %7v\n"

func (r *report) begin(version string) {
	fmt.Fprintf(r.out, "grpc %s with the policies of this library\n\n", version)
	fmt.Fprintf(r.out, row, "suite", "policy", "tests", "pass", "known", "not ours", "unsteady", "new", "stale", "time")
}

func (r *report) suite(s suite, v verdict, took time.Duration) {
	stale := len(v.of[passesNow]) + len(v.of[isGone])
	fmt.Fprintf(r.out, row, s.name, s.policy, len(v.ours), v.passed, len(v.of[known]), len(v.of[notOurs]),
		len(v.of[unsteady]), len(v.of[failsNew]), stale, took.Round(time.Second))
	if r.otherVersion {
		r.broken = r.broken || len(v.of[failsNew]) > 0
	} else {
		r.broken = r.broken || v.broken()
	}
	for _, part := range []struct {
		is    standing
		title string
	}{
		{failsNew, "fails with this library alone, and " + document + " does not say so"},
		{passesNow, "passes, although " + document + " says that it fails: take it off that list"},
		{isGone, "is no test of this version of grpc: take it off " + document},
		{unsteady, "has not always the same result"},
		{notOurs, "fails with round_robin too"},
	} {
		r.tests(s, v, part.is, part.title, part.is == failsNew || part.is == unsteady)
	}
	if r.verbose {
		r.tests(s, v, known, "is known to fail", true)
	}
}

func (r *report) tests(s suite, v verdict, is standing, title string, why bool) {
	for _, name := range v.of[is] {
		fmt.Fprintf(&r.details, "\n%s: %s: %s\n", s.name, name, title)
		if !why {
			continue
		}
		for _, line := range v.ours[name].output {
			fmt.Fprintf(&r.details, "    %s\n", line)
		}
	}
}

// end writes the rest and returns errDiffers if the check fails.
func (r *report) end() error {
	fmt.Fprint(r.out, r.details.String())
	if r.broken {
		fmt.Fprintf(r.out, "\nFAILED: this is not what %s says\n", document)
		return errDiffers
	}
	fmt.Fprintf(r.out, "\npassed: every difference from round_robin stands in %s\n", document)
	return nil
}
