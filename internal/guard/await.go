package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Left counts calls of the program's code that have not returned although their time
// was up. Its zero value counts none. It is safe for concurrent use.
type Left struct {
	mu     sync.Mutex // a leaf
	counts map[string]int
	told   told
}

// String names what has not returned, such as `the validator of endpoint "a" (2 times)`.
// It is empty if everything has.
func (l *Left) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := make([]string, 0, len(l.counts))
	for _, what := range slices.Sorted(maps.Keys(l.counts)) {
		if n := l.counts[what]; n > 1 {
			what = fmt.Sprintf("%s (%d times)", what, n)
		}
		text = append(text, what)
	}
	return strings.Join(text, ", ")
}

// Of returns how many calls of what have not returned.
func (l *Left) Of(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[what]
}

func (l *Left) add(what string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addLocked(what, n)
}

func (l *Left) addLocked(what string, n int) {
	if l.counts == nil {
		l.counts = make(map[string]int)
	}
	if l.counts[what] += n; l.counts[what] == 0 {
		delete(l.counts, what)
	}
}

// Grace is how long Await waits for the program's code after its time is up. Code that
// heeds its context returns within that time, with a result that is preferred to the
// error of the context.
const Grace = 50 * time.Millisecond

// ErrPanicked is the error of a call that has panicked, or has ended its goroutine.
var ErrPanicked = errors.New("it has panicked")

// LeftError is the error of a call that is not made, since as many earlier calls as are
// allowed have not returned.
type LeftError struct {
	// What names the code that was called, and Calls is the number of the calls.
	What  string
	Calls int
}

// Error names the code and the number of calls.
func (e *LeftError) Error() string {
	return fmt.Sprintf("%s has not returned from %d earlier calls", e.What, e.Calls)
}

// Await calls f, which is code of the program, in a goroutine of its own and returns
// its result. If f does not return by the end of ctx and Grace, Await returns the
// error of ctx and counts the call in left, as what, until it returns; its result is
// passed to drop, unless that is nil. If most calls of what are counted already, f is
// not called and the error is a *LeftError. A panic of f is logged, and the error is
// ErrPanicked.
func Await[T any](ctx context.Context, left *Left, what string, most int, f func() T, drop func(T)) (T, error) {
	return await(ctx, left, what, most, f, drop, Grace, always)
}

// AwaitIf is Await that leaves f only if may returns true then. Otherwise may is called
// again and again until f has returned.
func AwaitIf[T any](ctx context.Context, left *Left, what string, most int, f func() T, drop func(T), may func() bool) (T, error) {
	return await(ctx, left, what, most, f, drop, Grace, may)
}

func always() bool { return true }

// AwaitUncanceled is Await that returns at once if ctx is canceled, since nothing needs
// the result then.
func AwaitUncanceled[T any](ctx context.Context, left *Left, what string, most int, f func() T, drop func(T)) (T, error) {
	return await(ctx, left, what, most, f, drop, 0, always)
}

// await is AwaitIf with the time that f has left once ctx is canceled.
func await[T any](
	ctx context.Context, left *Left, what string, most int, f func() T, drop func(T), canceled time.Duration, may func() bool,
) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if n := left.Of(what); n >= most {
		return none, &LeftError{What: what, Calls: n}
	}
	c := &awaited[T]{done: make(chan struct{})}
	go c.run(left, what, f, drop)
	select {
	case <-c.done:
		return c.take()
	case <-ctx.Done():
	}
	grace := Grace
	if errors.Is(ctx.Err(), context.Canceled) {
		grace = canceled
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for {
		select {
		case <-c.done:
			return c.take()
		case <-timer.C:
		}
		switch {
		case !may():
			timer.Reset(Grace)
		case c.leave(left, what):
			return none, ctx.Err()
		default:
			return c.take()
		}
	}
}

// awaited is one call that is awaited.
type awaited[T any] struct {
	done chan struct{} // closed at its end

	mu     sync.Mutex // taken before that of a Left
	ended  bool
	left   bool
	ok     bool
	result T
}

func (c *awaited[T]) run(left *Left, what string, f func() T, drop func(T)) {
	var result T
	ok := false
	defer func() { c.end(left, what, ok, result, drop) }() // f may end its goroutine
	ok = Call(what, func() { result = f() })
}

func (c *awaited[T]) end(left *Left, what string, ok bool, result T, drop func(T)) {
	c.mu.Lock()
	c.ended, c.ok, c.result = true, ok, result
	wasLeft := c.left
	if wasLeft {
		left.add(what, -1)
	}
	c.mu.Unlock()
	close(c.done)
	if wasLeft && ok && drop != nil {
		drop(result)
	}
}

// leave gives the call up, and reports whether it has not ended.
func (c *awaited[T]) leave(left *Left, what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.left = true
	left.add(what, 1)
	return true
}

// take returns the result of a call that has ended.
func (c *awaited[T]) take() (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ok {
		return c.result, ErrPanicked
	}
	return c.result, nil
}
