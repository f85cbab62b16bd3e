package quorum

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// batch is a stream of given events, which then ends.
type batch []item

func (p *batch) Recv() (item, error) {
	if len(*p) == 0 {
		return item{}, io.EOF
	}
	e := (*p)[0]
	*p = (*p)[1:]
	return e, nil
}

// batches returns the config of a stream whose members send what open returns at each time.
func batches(open func(ctx context.Context, m Member, next int) batch) StreamConfig[item, int64] {
	return StreamConfig[item, int64]{
		Open: func(ctx context.Context, m Member, from *int64) (Receiver[item], error) {
			next := 1
			if from != nil {
				next = int(*from / 10)
			}
			p := open(ctx, m, next)
			return &p, nil
		},
		Position: func(e item) int64 { return e.at }, Key: func(e item) string { return e.key },
	}
}

// Members whose streams end after a few events, as those of a paged API, agree although no two of them
// are open at a time.
func TestStreamsMayBeShort(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s, err := NewStream(t.Context(), newMembers(t, 4), batches(func(ctx context.Context, m Member, next int) batch {
				_ = wait(ctx, latency*time.Duration(m.Name[3]-'0'))
				return batch{right(next), right(next + 1), right(next + 2)}
			}))
			require.NoError(t, err)
			defer s.Close()
			start := time.Now()
			expect(t, s, 1, 100)
			assert.Less(t, time.Since(start), time.Minute)
		})
	}
}

// What a member has claimed before its stream ended does not count once it has left the list or is
// another server.
func TestTheClaimsOfAShortStreamEndWithItsMember(t *testing.T) {
	lie := item{at: 10, key: "lie"}
	for name, next := range map[string]func() []Member{
		"removed": func() []Member { return names(5)[1:] },
		"another server": func() []Member {
			list := names(5)
			list[0].URL = "https://other"
			return list
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := NewMembers(names(5)[:4], quiet())
				require.NoError(t, err)
				cfg := batches(func(ctx context.Context, x Member, _ int) batch {
					if x.Name == "org1" && x.URL == "" || x.Name == "org5" {
						return batch{lie}
					}
					<-ctx.Done()
					return nil
				})
				cfg.Margin = 2 // all four
				s, err := NewStream(t.Context(), m, cfg)
				require.NoError(t, err)
				defer s.Close()
				synctest.Wait()
				s.mu.Lock()
				assert.Contains(t, s.left, "org1")
				s.mu.Unlock()
				require.NoError(t, m.Update(next()))
				time.Sleep(time.Minute)
				_, ok, err := s.take()
				require.NoError(t, err)
				assert.False(t, ok)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // and one that cannot agree any more is an error at once
		m, err := NewMembers(names(2), quiet())
		require.NoError(t, err)
		cfg := batches(func(_ context.Context, x Member, _ int) batch { return batch{{at: 10, key: x.Name}} })
		cfg.Agree = 2
		s, err := NewStream(t.Context(), m, cfg)
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Recv()
		var none *NoQuorumError
		require.ErrorAs(t, err, &none)
	})
}
