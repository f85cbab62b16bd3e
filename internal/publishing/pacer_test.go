package publishing_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cantonlb/cantonlb/internal/publishing"
	"github.com/cantonlb/cantonlb/internal/scope"
)

// paced runs a test with a Pacer. published returns how many snapshots were published
// until now, and until everything waits.
func paced(t *testing.T, growing int, test func(in *scope.Scope, p *publishing.Pacer, published func() int)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		in, n := scope.New(), 0
		p := publishing.NewPacer(in, func() publishing.Draft {
			return publishing.Draft{Publish: func() {}, Published: func() { n++ }, Growing: growing}
		})
		test(in, p, func() int {
			synctest.Wait()
			in.Lock()
			defer in.Unlock()
			return n
		})
		in.Lock()
		in.Close()
		p.Stop()
		in.Unlock()
		in.EndCalls()
	})
}

func under(in *scope.Scope, f func()) {
	in.Lock()
	defer in.Unlock()
	f()
}

func TestManyChangesArePublishedOnceAndWhatWaitsAtOnce(t *testing.T) {
	paced(t, 1000, func(in *scope.Scope, p *publishing.Pacer, published func() int) {
		under(in, func() {
			for range 100 {
				p.Mark()
			}
			assert.True(t, p.Stale())
		})
		assert.Equal(t, 1, published())
		under(in, p.Mark)
		assert.Equal(t, 1, published(), "it rests")
		time.Sleep(time.Millisecond) // for 1000 endpoints
		assert.Equal(t, 2, published())
		under(in, p.Mark)
		p.Now()
		assert.Equal(t, 3, published())
		time.Sleep(time.Second)
		assert.Equal(t, 3, published(), "nothing has changed since")
	})
}

func TestARestEndsAndAnUpdatePublishesAtItsEnd(t *testing.T) {
	paced(t, 1000, func(in *scope.Scope, p *publishing.Pacer, published func() int) {
		under(in, func() { p.Hold(true); p.Mark() })
		assert.Equal(t, 0, published())
		under(in, func() { p.Hold(false) })
		p.Now()
		assert.Equal(t, 1, published())
		under(in, p.Mark)
		under(in, p.EndRest)
		assert.Equal(t, 2, published())
		under(in, p.Outdate)
		assert.Equal(t, 2, published())
		p.Now()
		assert.Equal(t, 3, published())
	})
}
