package statuspage

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/report"
)

// ending is a client that ends when it is told to, and notes at each look whether
// the page had ended by then.
type ending struct {
	page  *Page
	end   chan struct{}
	ended []bool
}

func (e *ending) Status() report.Status {
	if e.page != nil {
		e.ended = append(e.ended, e.page.ended())
	}
	return report.Status{}
}

func (e *ending) SubscribeFrom(context.Context, uint64) iter.Seq[report.EventBatch] {
	return func(func(report.EventBatch) bool) { <-e.end }
}

// A viewer goes as soon as the page has ended, so what it sees last has to be there
// by then.
func TestThePageLooksOnceMoreBeforeItEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ending{end: make(chan struct{})}
		page := Handler(e)
		defer page.Close()
		synctest.Wait()
		e.page = page
		close(e.end)
		synctest.Wait()
		assert.Equal(t, []bool{false}, e.ended)
		assert.True(t, page.ended())
	})
}
