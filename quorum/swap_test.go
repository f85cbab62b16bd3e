package quorum

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// machine is a connection to one server.
type machine struct {
	grpc.ClientConnInterface

	name string
}

// queued is a stream of what comes through a channel.
type queued struct {
	ctx  context.Context
	lies <-chan item
}

func (w queued) Recv() (item, error) {
	select {
	case e := <-w.lies:
		return e, nil
	case <-w.ctx.Done():
		return item{}, w.ctx.Err()
	}
}

// A server that gets another name while a stream is subscribed to it must not count under both.
func TestAServerThatChangesItsNameDuringAStreamCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		liar, b, c, d := &machine{name: "liar"}, &machine{name: "b"}, &machine{name: "c"}, &machine{name: "d"}
		m, err := NewMembers([]Member{{Name: "org1", Conn: liar}, {Name: "org2", Conn: b}, {Name: "org3", Conn: c}}, quiet())
		require.NoError(t, err)
		lies := make(chan item, 2)
		var mu sync.Mutex
		var opened []string
		s, err := NewStream(t.Context(), m, StreamConfig[item, int64]{
			Agree: 2, Margin: 2, StallAfter: time.Hour,
			Open: func(ctx context.Context, x Member, _ *int64) (Receiver[item], error) {
				mu.Lock()
				defer mu.Unlock()
				opened = append(opened, x.Name+" "+x.Conn.(*machine).name)
				if x.Conn == liar {
					return queued{ctx, lies}, nil
				}
				return queued{ctx, nil}, nil
			},
			Position: func(e item) int64 { return e.at }, Key: func(e item) string { return e.key },
		})
		require.NoError(t, err)
		defer s.Close()
		synctest.Wait()
		require.NoError(t, m.Update([]Member{{Name: "org1", Conn: d}, {Name: "org2", Conn: b}, {Name: "org3", Conn: c}, {Name: "org4", Conn: liar}}))
		synctest.Wait()
		lies <- item{at: 10, key: "lie"}
		lies <- item{at: 10, key: "lie"}
		synctest.Wait()
		_, ok, err := s.take()
		require.NoError(t, err)
		assert.False(t, ok, "one server has agreed with itself")
		slices.Sort(opened)
		assert.Equal(t, []string{"org1 d", "org1 liar", "org2 b", "org3 c", "org4 liar"}, opened)
	})
}

// An entry that is no member, by mistake or of malice, keeps no other one out, and is reported once.
func TestABadEntryOfTheListKeepsNoOtherOut(t *testing.T) {
	for name, c := range map[string]struct {
		bad     Entry
		refused int
	}{
		"cannot be made":                          {Entry{"a", "broken"}, 1},
		"has no usable URL":                       {Entry{"a", "https://user:word@a"}, 1},
		"is a seed":                               {Entry{"a", "https://our-a/"}, 0},
		"is another member":                       {Entry{"a", "https://c/"}, 0},
		"is another member, and comes after it":   {Entry{"x", "https://b/"}, 0},
		"has another address that cannot be made": {Entry{"b", "broken"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seeds := []Member{{Name: "s1", URL: "https://our-a"}, {Name: "s2", URL: "https://our-b"}, {Name: "s3", URL: "https://our-c"}, {Name: "s4", URL: "https://our-d"}}
				var mu sync.Mutex
				goal := entriesOf("b=https://b c=https://c")
				read := func(context.Context, Member) ([]Entry, error) {
					mu.Lock()
					defer mu.Unlock()
					return slices.Clone(goal), nil
				}
				open := 0
				m, err := Follow(t.Context(), seeds, read, FollowConfig{Options: quiet(), Make: func(e Entry) (Member, error) {
					if e.Address == "broken" {
						return Member{}, errBroken
					}
					mu.Lock()
					defer mu.Unlock()
					open++
					return Member{URL: e.Address, Conn: closer{close: func() { mu.Lock(); defer mu.Unlock(); open-- }}}, nil
				}})
				require.NoError(t, err)
				if c.bad.Name == "b" { // it becomes bad later
					time.Sleep(time.Hour)
				}
				mu.Lock()
				goal = slices.DeleteFunc(goal, func(e Entry) bool { return e.Name == c.bad.Name })
				goal = append(goal, c.bad, Entry{"d", "https://d"})
				mu.Unlock()
				time.Sleep(time.Hour)
				members := map[string]bool{}
				for _, x := range m.List() {
					members[x.URL] = true
				}
				for _, url := range []string{"https://b", "https://d"} {
					assert.True(t, members[url], url)
				}
				assert.True(t, members["https://c"] || members["https://c/"])
				assert.Len(t, members, 7)
				refused := 0
				for _, e := range m.Events() {
					if e.Kind == EventMembers && len(e.Detail) > 8 && e.Detail[:8] == "refused:" {
						refused++
					}
				}
				assert.Equal(t, c.refused, refused)
				mu.Lock()
				assert.Equal(t, 3, open)
				mu.Unlock()
				require.NoError(t, m.Close())
				assert.Zero(t, open)
			})
		})
	}
}
