package pick

import (
	"sync"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// records are the calls in flight on one connection that have a record. The zero value
// is empty. It is safe for concurrent use, and takes no lock but its own.
type records struct {
	mu    sync.Mutex
	first *tracked // the newest one
	n     int
}

func (r *records) add(c *tracked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.among, c.next = r, r.first
	if r.first != nil {
		r.first.prev = c
	}
	r.first = c
	r.n++
}

func (r *records) remove(c *tracked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.next != nil {
		c.next.prev = c.prev
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		r.first = c.next
	}
	c.among, c.prev, c.next = nil, nil, nil
	r.n--
}

// each calls f with each record, without the lock.
func (r *records) each(f func(*attempt.Record)) {
	r.mu.Lock()
	all := make([]*attempt.Record, 0, r.n)
	for c := r.first; c != nil; c = c.next {
		all = append(all, c.record)
	}
	r.mu.Unlock()
	for _, record := range all {
		f(record)
	}
}
