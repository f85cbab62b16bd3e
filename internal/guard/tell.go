package guard

import (
	"context"
	"time"
)

const (
	// tellPatience is how long Tell waits, without Grace.
	tellPatience = 100 * time.Millisecond
	// mostTellings bounds the calls of Tell that have not returned.
	mostTellings = 16
)

// Tell calls f, with which code of the program only learns something, and waits for
// it, at most for a tenth of a second and Grace: then it is left alone, and counted in
// left as what. While 16 such calls have not returned, f is not called. It reports
// whether f has returned. A panic of f is logged.
func Tell(left *Left, what string, f func()) bool {
	ctx, cancel := context.WithTimeout(context.Background(), tellPatience)
	defer cancel()
	_, err := Await(ctx, left, what, mostTellings, func() struct{} { f(); return struct{}{} }, nil)
	return err == nil
}
