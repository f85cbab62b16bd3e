package pick

import (
	"maps"
	"slices"
	"sync"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// records are the records of calls in flight on one connection. The zero value is
// empty. It is safe for concurrent use, and takes no lock but its own.
type records struct {
	mu    sync.Mutex
	calls map[*attempt.Record]struct{}
}

func (r *records) add(call *attempt.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls == nil {
		r.calls = make(map[*attempt.Record]struct{})
	}
	r.calls[call] = struct{}{}
}

func (r *records) remove(call *attempt.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.calls, call)
}

// each calls f with each record, without the lock.
func (r *records) each(f func(*attempt.Record)) {
	r.mu.Lock()
	calls := slices.Collect(maps.Keys(r.calls))
	r.mu.Unlock()
	for _, call := range calls {
		f(call)
	}
}
