package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report writes the results of the suites: a table, then the tests that need
// attention.
type report struct {
	out          io.Writer
	otherVersion bool // than the document is about
	verbose      bool
	broken       bool
	details      strings.Builder
}

const row = "%-22s %-20s %6v %6v %6v %9v %9v %6v %7v %7v\n"

func (r *report) sayf(format string, args ...any) { _, _ = fmt.Fprintf(r.out, format, args...) }

func (r *report) begin(version string) {
	r.sayf("grpc %s with the policies of this library\n\n", version)
	r.sayf(row, "suite", "policy", "tests", "pass", "known", "not ours", "unsteady", "new", "stale", "time")
}

func (r *report) suite(s suite, v verdict, took time.Duration) {
	stale := len(v.of[passesNow]) + len(v.of[isGone])
	r.sayf(row, s.name, s.policy, len(v.ours), v.passed, len(v.of[known]), len(v.of[notOurs]),
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
		{failsNew, "fails with this library alone, and is not listed in " + document},
		{passesNow, "passes, although " + document + " lists it as failing: remove it there"},
		{isGone, "is no test of this version of grpc: remove it from " + document},
		{unsteady, "does not always have the same result"},
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
	r.sayf("%s", r.details.String())
	if r.broken {
		r.sayf("\nFAILED: this is not what %s says\n", document)
		return errDiffers
	}
	r.sayf("\npassed: every difference from round_robin is listed in %s\n", document)
	return nil
}
