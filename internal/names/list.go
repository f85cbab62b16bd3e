package names

import (
	"net/netip"
	"slices"
	"sync"
)

// Merge returns list followed by those of more that it does not hold, at most
// MaxAddresses in all. It may change list.
func Merge(list, more []netip.Addr) []netip.Addr {
	for _, a := range more {
		if len(list) < MaxAddresses && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// List collects the answers of one or more look-ups of a name: at most MaxAddresses,
// without repetitions, in the order in which they were first found. Its zero value is
// empty. It is safe for concurrent use.
type List struct {
	mu    sync.Mutex // no other lock is taken under it
	addrs []netip.Addr
	grown chan int
}

// Add adds answers.
func (l *List) Add(answers []netip.Addr) {
	grown := l.Grown()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addrs = Merge(l.addrs, answers)
	select {
	case <-grown: // nobody has read it
	default:
	}
	grown <- len(l.addrs) // there is room: only this function sends
}

// At returns the i-th answer, the zero value if there is none.
func (l *List) At(i int) netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i >= len(l.addrs) {
		return netip.Addr{}
	}
	return l.addrs[i]
}

// Grown returns the channel on which the newest number of answers is sent. It is for one
// reader.
func (l *List) Grown() chan int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grown == nil {
		l.grown = make(chan int, 1)
	}
	return l.grown
}
