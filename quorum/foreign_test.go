package quorum

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// waiting is a log handler that waits an hour.
type waiting struct{ slog.Handler }

func (waiting) Enabled(context.Context, slog.Level) bool  { return true }
func (waiting) Handle(context.Context, slog.Record) error { time.Sleep(time.Hour); return nil }

func TestALoggerAndAnObserverThatHangHoldUpNoReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMembers(names(4), Options{
			Logger: slog.New(waiting{}),
			OnRead: func(Verdict, error) { time.Sleep(time.Hour) },
		})
		require.NoError(t, err)
		start := time.Now()
		for range 100 {
			require.NoError(t, m.Update(append(names(4)[1:], Member{Name: "org9"}))) // is logged
			_, _, err := Read(t.Context(), m, Config{Ask: 4, Agree: 3}, script("truth", nil), identity)
			require.NoError(t, err)
			require.NoError(t, m.Update(names(4)))
		}
		assert.Less(t, time.Since(start), 10*time.Second)
		time.Sleep(2 * time.Hour)
	})
}

func TestMembersCloseAlthoughWhatMakesThemHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := make(chan struct{})
		read := func(context.Context, Member) ([]Entry, error) {
			return entriesOf("org1=s org2=s org3=s org4=s org5=5"), nil
		}
		var closed atomic.Bool
		m, err := Follow(t.Context(), names(4), read, FollowConfig{Options: quiet(), Make: func(Entry) (Member, error) {
			close(made)
			time.Sleep(time.Hour)
			return Member{Conn: closer{close: func() { closed.Store(true) }}}, nil
		}})
		require.NoError(t, err)
		<-made
		start := time.Now()
		require.ErrorContains(t, m.Close(), "FollowConfig.Make, or the Close of a connection that it made, has not returned")
		assert.Equal(t, time.Second, time.Since(start))
		assert.NoError(t, m.Close())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.True(t, closed.Load(), "what it makes late is closed")
	})
}
