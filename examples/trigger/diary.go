package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/participant"
)

// entry is one line of a process.
type entry struct {
	who   *process
	word  string
	token uint64
	at    time.Duration // a reading of the clock that all processes share
	text  string
}

// diary holds what all processes have told, in the order of arrival. It is safe for
// concurrent use.
type diary struct {
	mu      sync.Mutex
	list    []entry
	changed chan struct{} // closed and replaced with each entry
}

func newDiary() *diary { return &diary{changed: make(chan struct{})} }

// take takes a line of a process.
func (d *diary) take(p *process, line string) {
	e := entry{who: p}
	words := strings.SplitN(line, " ", 4)
	if len(words) < 4 {
		return // another program's
	}
	e.word, e.text = words[0], words[3]
	if _, err := fmt.Sscan(words[1]+" "+words[2], &e.token, (*int64)(&e.at)); err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, e)
	close(d.changed)
	d.changed = make(chan struct{})
}

// entries returns all entries so far. The caller does not change them.
func (d *diary) entries() []entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list
}

// mark returns the number of entries so far.
func (d *diary) mark() int { return len(d.entries()) }

// await waits until the entries are as ok says, or the process has ended.
func (d *diary) await(ctx context.Context, what string, ended <-chan struct{}, ok func([]entry) bool) error {
	ctx, cancel := context.WithTimeout(ctx, participant.StepLimit)
	defer cancel()
	for {
		d.mu.Lock()
		list, changed := d.list, d.changed
		d.mu.Unlock()
		if ok(list) {
			return nil
		}
		select {
		case <-changed:
		case <-ended:
			return errors.New("waiting for " + what + ": the process has ended")
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}

// holder waits until a process of a machine holds the lease of a rule, from an entry on,
// and has acted some times. It returns when its work has begun.
func (d *diary) holder(ctx context.Context, rule string, on *machine, from int) (began time.Duration, err error) {
	const enough = 3
	err = d.await(ctx, rule+" to run on "+on.name, nil, func(list []entry) bool {
		acts := 0
		for _, e := range list[from:] {
			switch {
			case e.who.rule != rule || e.who.machine != on.name:
			case e.word == sayBegins:
				began, acts = e.at, 0
			case e.word == sayActs && began != 0:
				acts++
			}
		}
		return acts >= enough
	})
	return began, err
}

// last returns when a machine has last acted for a rule.
func (d *diary) last(rule string, on *machine) (at time.Duration) {
	for _, e := range d.entries() {
		if e.word == sayActs && e.who.rule == rule && e.who.machine == on.name {
			at = max(at, e.at)
		}
	}
	return at
}
