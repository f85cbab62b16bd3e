package recertify

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACertificateThatIsNotAcceptedIsTriedAfterPausesThatGrow(t *testing.T) {
	now := time.Unix(1000, 0)
	try := func(r Renewal, after time.Duration, leaf string, eligible bool) (Renewal, bool) {
		now = now.Add(after)
		return r.Next(now, []byte(leaf), eligible)
	}
	r, due := try(Renewal{}, 0, "a", true)
	assert.True(t, due, "the first time at once")
	for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
		_, due = try(r, time.Duration(seconds)*time.Second-1, "a", true)
		assert.False(t, due)
		r, due = try(r, 1, "a", true)
		assert.True(t, due, "after %d s", seconds)
	}
	r, due = try(r, Every, "a", false)
	assert.True(t, due, "there is nothing to lose")
	_, due = try(r, 0, "b", true)
	assert.True(t, due, "another one")
}

// fakeConn is a connection with a certificate from a file.
type fakeConn struct{ file, presented string }

func (c fakeConn) Files() resolver.TLS { return resolver.TLS{CertFile: c.file} }
func (c fakeConn) Presented() []byte   { return []byte(c.presented) }

func TestEachFileIsReadOnceForAllItsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"a": "new", "b": "same"} // "none" does not exist
		reads := map[string]int{}
		var renewed []fakeConn
		ctx, cancel := context.WithCancel(t.Context())
		f := Follower[fakeConn]{
			Conns: func() []fakeConn {
				return []fakeConn{{"a", "old"}, {"a", "new"}, {"a", "older"}, {"b", "same"}, {"none", "old"}}
			},
			Certificate: func(from resolver.TLS) []byte {
				reads[from.CertFile]++
				if leaf, ok := files[from.CertFile]; ok {
					return []byte(leaf)
				}
				return nil
			},
			Renew: func(c fakeConn, leaf []byte) {
				assert.Equal(t, "new", string(leaf))
				renewed = append(renewed, c)
				if len(renewed) == 3 {
					cancel() // in the middle of the second round
				}
			},
		}
		began := time.Now()
		f.Run(ctx)
		assert.Equal(t, 2*Every, time.Since(began))
		assert.Equal(t, map[string]int{"a": 2, "b": 2, "none": 2}, reads)
		assert.Equal(t, []fakeConn{{"a", "old"}, {"a", "older"}, {"a", "old"}}, renewed)
	})
}
