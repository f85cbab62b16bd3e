package quorum

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"pgregory.net/rapid"
)

// entriesOf makes a list of words such as "a=1": the name a at the address 1.
func entriesOf(text string) (list []Entry) {
	for word := range strings.FieldsSeq(text) {
		name, at, _ := strings.Cut(word, "=")
		list = append(list, Entry{name, at})
	}
	return list
}

func TestAStepTowardsAListReplacesAFewMembers(t *testing.T) {
	for name, c := range map[string]struct {
		now, seeds, goal, want string
		arrived                bool
	}{
		"there already":              {"a b c d", "a", "a b c d", "a b c d", true},
		"one joins":                  {"a b c d", "a", "a b c d e=5", "a b c d e=5", true},
		"one of two joins":           {"a b c d", "a", "a b c d e=5 f=6", "a b c d e=5", false},
		"one of two leaves":          {"a b c d", "a", "a b", "a b d", false},
		"one for one":                {"a b=1 c=1 d=1", "a", "a e=5 f=6 g=7", "a c=1 d=1 e=5", false},
		"f is 2 of seven":            {"a b=1 c=1 d=1 e=1 f=1 g=1", "a", "a x=1 y=1 z=1", "a d=1 e=1 f=1 g=1 x=1 y=1", false},
		"a seed stays":               {"a b=1 c=1 d=1", "a b", "c=1 d=1", "a b=1 c=1 d=1", true},
		"a seed does not move":       {"a b=1 c=1 d=1", "a b", "a=9 b=9 c=1 d=1", "a b=1 c=1 d=1", true},
		"one moves":                  {"a b=1 c=1 d=1", "a", "a b=2 c=1 d=1", "a b=2 c=1 d=1", true},
		"one of two moves":           {"a b=1 c=1 d=1", "a", "a b=2 c=2 d=1", "a b=2 c=1 d=1", false},
		"of a move and a join, one":  {"a b=1 c=1 d=1", "a", "a b=2 c=1 d=1 e=1", "a b=2 c=1 d=1", false},
		"three tolerate none: one":   {"a b=1 c=1", "a", "a b=1 c=1 d=1 e=1", "a b=1 c=1 d=1", false},
		"nobody of the list remains": {"a b=1 c=1 d=1", "a", "w=1 x=1 y=1 z=1", "a c=1 d=1 w=1", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, arrived := stepTo(entriesOf(c.now), strings.Fields(c.seeds), entriesOf(c.goal))
			assert.Equal(t, entriesOf(c.want), got)
			assert.Equal(t, c.arrived, arrived)
		})
	}
}

func TestStepsAreSmallKeepTheSeedsAndArrive(t *testing.T) {
	list := rapid.Custom(func(t *rapid.T) []Entry {
		var out []Entry
		for _, i := range rapid.Permutation(indices(20)).Draw(t, "names")[:rapid.IntRange(4, 13).Draw(t, "n")] {
			out = append(out, Entry{fmt.Sprint("org", i), fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "at"))})
		}
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		now, goal := list.Draw(t, "now"), list.Draw(t, "goal")
		seeds := []string{now[0].Name, now[1].Name}
		for steps := 0; ; steps++ {
			next, arrived := stepTo(now, seeds, goal)
			kept := 0
			for _, e := range next {
				if slices.Contains(now, e) {
					kept++
				}
			}
			most := max(1, Faulty(len(now)))
			if len(now)-kept > most || len(next)-kept > most {
				t.Fatalf("from %v to %v", now, next)
			}
			if next[0] != now[0] || !slices.Contains(next, now[1]) && steps == 0 {
				t.Fatalf("seeds lost: %v", next)
			}
			now = next
			if arrived {
				break
			}
			if steps > 50 {
				t.Fatalf("never there: %v", now)
			}
		}
		for _, e := range goal {
			if !slices.Contains(seeds, e.Name) && !slices.Contains(now, e) {
				t.Fatalf("%v lacks %v", now, e)
			}
		}
	})
}

// closer is a connection that notes whether it is open.
type closer struct {
	grpc.ClientConnInterface

	close func()
}

func (c closer) Close() error { c.close(); return nil }

func TestMembersFollowTheNetworksOwnList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		goal := entriesOf("org1=s org2=s org3=s org4=s org5=5 org6=6 org7=7")
		opened, closed := map[string]int{}, map[string]int{}
		asked := 0
		read := func(_ context.Context, m Member) ([]Entry, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			if m.Name == "org4" { // a seed that lies
				return entriesOf("evil1=1 evil2=2 evil3=3 evil4=4"), nil
			}
			list := slices.Clone(goal)
			slices.Reverse(list)
			return list, nil
		}
		made := func(e Entry) (Member, error) {
			mu.Lock()
			defer mu.Unlock()
			opened[e.Name]++
			return Member{Conn: closer{close: func() { mu.Lock(); defer mu.Unlock(); closed[e.Name]++ }}}, nil
		}
		m, err := Follow(t.Context(), names(4), read, FollowConfig{Options: quiet(), Make: made, Interval: time.Minute})
		require.NoError(t, err)
		size := func() int { return len(m.List()) }
		synctest.Wait()
		assert.Equal(t, 5, size(), "one at a time, as f is 1")
		time.Sleep(time.Minute)
		assert.Equal(t, 7, size())
		mu.Lock()
		before := asked
		mu.Unlock()
		time.Sleep(time.Hour)
		mu.Lock()
		assert.InDelta(t, 60*3, asked-before, 60*3, "about once a minute") // f + 1 to 2f + 1 requests each
		goal = entriesOf("org1=s org5=5 org6=9")
		mu.Unlock()
		time.Sleep(time.Hour)
		var list []string
		for _, x := range m.List() {
			list = append(list, x.Name)
		}
		slices.Sort(list)
		assert.Equal(t, []string{"org1", "org2", "org3", "org4", "org5", "org6"}, list, "seeds stay")
		mu.Lock()
		assert.Equal(t, map[string]int{"org5": 1, "org6": 2, "org7": 1}, opened)
		assert.Equal(t, map[string]int{"org6": 1, "org7": 1}, closed)
		mu.Unlock()
		require.NoError(t, m.Close())
		assert.ElementsMatch(t, []string{"org5", "org6", "org7"}, slices.Collect(maps.Keys(closed)))
		assert.Equal(t, opened, closed)
	})
}

func TestAServerOfTheListUnderTwoNamesCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := 0
		read := func(context.Context, Member) ([]Entry, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return entriesOf("sv1=https://a sv2=https://b sv3=https://c sv4=https://d sv5=https://e sv6=https://e"), nil
		}
		made, closed := map[string]int{}, map[string]int{}
		var seeds []Member
		for _, name := range []string{"a", "b", "c", "d"} {
			seeds = append(seeds, Member{Name: "our-" + name, URL: "https://" + strings.ToUpper(name) + ":443/"})
		}
		m, err := Follow(t.Context(), seeds, read, FollowConfig{Options: quiet(), Interval: time.Minute, Make: func(e Entry) (Member, error) {
			mu.Lock()
			defer mu.Unlock()
			made[e.Name]++
			return Member{URL: e.Address, Conn: closer{close: func() { mu.Lock(); defer mu.Unlock(); closed[e.Name]++ }}}, nil
		}})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		var list []string
		for _, x := range m.List() {
			list = append(list, x.Name)
		}
		assert.Equal(t, []string{"our-a", "our-b", "our-c", "our-d", "sv5"}, list)
		require.NoError(t, m.Close())
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, map[string]int{"sv1": 1, "sv2": 1, "sv3": 1, "sv4": 1, "sv5": 1}, made, "each once, as it is known then")
		assert.Equal(t, made, closed)
		assert.InDelta(t, 60*3, asked, 60*2, "the list is reached, so it is read once a minute")
	})
}

func TestAListOfWhichTooFewAgreeOrThatIsBadChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, list := range []string{"", "a", "a= b=1", "a=1 a=2", strings.Repeat("x", 300) + "=1"} {
			m, err := Follow(t.Context(), names(4), func(context.Context, Member) ([]Entry, error) { return entriesOf(list), nil },
				FollowConfig{Options: quiet(), Make: func(Entry) (Member, error) { return Member{}, nil }})
			require.NoError(t, err)
			synctest.Wait()
			assert.Len(t, m.List(), 4)
			assert.True(t, m.Status().Lost)
			require.NoError(t, m.Close())
		}
		m, err := Follow(t.Context(), names(4), func(context.Context, Member) ([]Entry, error) { return entriesOf("a=1 b=2"), nil },
			FollowConfig{Options: quiet(), Make: func(Entry) (Member, error) { return Member{}, errBroken }})
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, m.List(), 4)
		assert.Equal(t, `members (list): refused: member "a": broken`, m.Events()[0].String())
		require.NoError(t, m.Close())
	})
}

func TestABadFollowConfigIsRefused(t *testing.T) {
	read := func(context.Context, Member) ([]Entry, error) { return nil, nil }
	made := func(Entry) (Member, error) { return Member{}, nil }
	for want, f := range map[string]func() (*Members, error){
		"read or make: nil": func() (*Members, error) { return Follow(t.Context(), names(4), nil, FollowConfig{Make: made}) },
		"interval 1ms: want": func() (*Members, error) {
			return Follow(t.Context(), names(4), read, FollowConfig{Make: made, Interval: time.Millisecond})
		},
		"0 in the list":  func() (*Members, error) { return Follow(t.Context(), nil, read, FollowConfig{Make: made}) },
		"agree 0 with 3": func() (*Members, error) { return Follow(t.Context(), names(3), read, FollowConfig{Make: made}) },
	} {
		_, err := f()
		assert.ErrorContains(t, err, want)
	}
}
