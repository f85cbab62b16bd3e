package participant

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a database may take to be created and used on a busy machine.
const patience = 3 * time.Minute

// needPostgres skips a test where PostgreSQL is not installed; .ci/run installs it.
func needPostgres(t *testing.T) {
	t.Helper()
	if !Installed() {
		t.Skip(ErrNotInstalled)
	}
}

// Both stores free the lock when a session ends, refuse the late writes of a
// session that was ended, and return offsets without gaps.
func TestAStoreKeepsItsPromises(t *testing.T) {
	for _, kind := range []string{Postgres, Memory} {
		t.Run(kind, func(t *testing.T) {
			if kind == Postgres {
				needPostgres(t)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s, err := OpenStore(ctx, kind)
			require.NoError(t, err)
			defer func() { assert.NoError(t, s.Close()) }()
			assert.Error(t, s.EndSession(ctx), "no session holds the lock")
			first, second := open(ctx, t, s), open(ctx, t, s)

			lock(ctx, t, first)
			got, err := second.TryLock(ctx)
			require.NoError(t, err)
			assert.False(t, got)
			for i := range 3 {
				offset, err := first.Append(ctx, Update{CommandID: fmt.Sprint(i), Text: "x", Writer: "first", SubmissionID: fmt.Sprint("s", i)})
				require.NoError(t, err)
				assert.EqualValues(t, i+1, offset)
			}
			_, err = first.Append(ctx, Update{CommandID: "1", Text: "x", Writer: "first"})
			require.ErrorIs(t, err, ErrDuplicate)

			require.NoError(t, s.EndSession(ctx))
			lock(ctx, t, second)
			_, err = first.Append(ctx, Update{CommandID: "late", Text: "x", Writer: "first"})
			require.Error(t, err)
			assert.NotErrorIs(t, err, ErrDuplicate)
			require.Error(t, first.Ping(ctx))
			require.NoError(t, second.Ping(ctx))
			offset, err := second.Append(ctx, Update{CommandID: "next", Text: "y", Writer: "second"})
			require.NoError(t, err)
			assert.EqualValues(t, 4, offset)

			list, err := second.After(ctx, 2)
			require.NoError(t, err)
			assert.Equal(t, []Update{{3, "2", "x", "first", "s2"}, {4, "next", "y", "second", ""}}, list)
			end, err := second.End(ctx)
			require.NoError(t, err)
			assert.EqualValues(t, 4, end)
			found, err := second.Find(ctx, "2")
			require.NoError(t, err)
			assert.Equal(t, Update{3, "2", "x", "first", "s2"}, found)
			_, err = second.Find(ctx, "none")
			require.Error(t, err)
			all, err := s.All(ctx)
			require.NoError(t, err)
			assert.Len(t, all, 4)
		})
	}
}

func open(ctx context.Context, t *testing.T, s Store) Session {
	t.Helper()
	x, err := OpenSession(ctx, s.Address())
	require.NoError(t, err)
	t.Cleanup(x.Close)
	return x
}

// lock gets the lock, which may take a moment after the end of a session.
func lock(ctx context.Context, t *testing.T, s Session) {
	t.Helper()
	for {
		got, err := s.TryLock(ctx)
		require.NoError(t, err)
		if got {
			return
		}
		require.True(t, cli.Wait(ctx, 5*time.Millisecond), "the lock is not free")
	}
}
