package quorum

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// uncomparable is a transport that cannot be compared with another.
type uncomparable struct {
	http.RoundTripper

	_ []int
}

func TestABadListOfMembersIsRefused(t *testing.T) {
	var conn grpc.ClientConnInterface = closer{}
	shared := &http.Transport{}
	for _, list := range [][]Member{
		{{Name: "a", URL: "https://x/api"}, {Name: "b", URL: "https://y/api"}, {Name: "c", URL: "https://x/api2"}, {Name: "d", URL: "http://x/api"}},
		{{Name: "a", URL: "http://ledger", Transport: &http.Transport{}}, {Name: "b", URL: "http://ledger", Transport: &http.Transport{}}},
		{{Name: "a", URL: "http://ledger", Transport: uncomparable{}}, {Name: "b", URL: "http://ledger", Transport: uncomparable{}}},
		{{Name: "a"}, {Name: "b"}},
	} {
		_, err := NewMembers(list, Options{})
		assert.NoError(t, err)
	}
	for want, list := range map[string][]Member{
		`members[1] "b": url: that of members[0] "a" already; want one member`: {
			{Name: "a", URL: "https://X.org:443/api/"}, {Name: "b", URL: "https://x.org./api"}},
		`members[2] "c": url: that of members[0] "a"`: {
			{Name: "a", URL: "http://x", Transport: shared}, {Name: "b", URL: "http://y", Transport: shared}, {Name: "c", URL: "http://x:80", Transport: shared}},
	} {
		_, err := NewMembers(list, Options{})
		assert.ErrorContains(t, err, want)
	}
	_, err := NewMembers([]Member{{Name: "a"}}, Options{DissentFor: 5})
	assert.ErrorContains(t, err, "quorum: dissent for 5ns: want a duration of at least 1ms")
	pointer := &struct{ grpc.ClientConnInterface }{conn}
	_, err = NewMembers([]Member{{Name: "a", Conn: pointer}, {Name: "b", Conn: pointer}}, Options{})
	require.ErrorContains(t, err, `members[1] "b": conn: that of members[0] "a" already`)
	for want, list := range map[string][]Member{
		"0 in the list; want 1 to 256":             nil,
		"257 in the list":                          names(257),
		`members[1].name "org1": the name of`:      {{Name: "org1"}, {Name: "org1"}},
		`members[0].name "": want a printable`:     {{}},
		`members[0].name "a?b": want a printable`:  {{Name: "a\x00b"}},
		`members[0].name "xxx`:                     {{Name: strings.Repeat("x", 257)}},
		`members[0] "a": url: no http:// or https`: {{Name: "a", URL: "ftp://x"}},
		`members[0] "a": url: not a URL`:           {{Name: "a", URL: "http://x\x00:secret"}},
		`members[0] "a": url: user, query or frag`: {{Name: "a", URL: "https://u:secret@x"}},
		`members[1] "b": url: user, query or frag`: {{Name: "a", URL: "https://x"}, {Name: "b", URL: "https://y/api?"}},
		`members[2] "c": url: user, query or frag`: {{Name: "a", URL: "https://x"}, {Name: "b", URL: "https://y"}, {Name: "c", URL: "https://z#"}},
	} {
		_, err := NewMembers(list, Options{})
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestALaterBadListChangesNothing(t *testing.T) {
	m := newMembers(t, 4)
	require.Error(t, m.Update(nil))
	assert.Len(t, m.List(), 4)
	assert.Empty(t, m.Events())
}

func TestWhatIsKnownOfAMemberIsKeptByItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		_, _, err := Read(t.Context(), m, Config{Ask: 4, Agree: 3}, script("truth", map[string]manner{"org4": called("lies alone")}), identity)
		require.NoError(t, err)
		require.NoError(t, m.Update(append(names(4)[2:], Member{Name: "org9"}, Member{Name: "org8"})))
		s := m.Status()
		assert.Equal(t, "org4", s.Members[1].Name)
		assert.True(t, s.Members[1].Dissenting)
		events := m.Events()
		assert.Equal(t, `members (list): 4 members: 2 joined, 2 left`, events[len(events)-1].String())
		require.NoError(t, m.Update(m.List()))
		assert.Len(t, m.Events(), len(events), "the same list is no event")
	})
}

func TestMembersOfAFunctionFollowIt(t *testing.T) {
	list := names(4)
	m, err := MembersFunc(func() []Member { return list }, quiet())
	require.NoError(t, err)
	list = names(5)
	assert.Len(t, m.List(), 5)
	list = nil
	assert.Len(t, m.List(), 5)
	assert.Len(t, m.List(), 5)
	assert.Contains(t, m.Status().Refused, "0 in the list")
	require.Len(t, m.Events(), 2, "a list that is refused is told of once")
	list = names(4)
	assert.Empty(t, m.Status().Refused)
	require.Error(t, m.Update(names(4)))
	_, err = MembersFunc(func() []Member { return nil }, quiet())
	require.Error(t, err)
	_, err = MembersFunc(nil, quiet())
	require.ErrorContains(t, err, "list: nil")
}

func TestASubscriberHearsOfEachEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		heard := make(chan Event, 8)
		go func() {
			defer close(heard)
			for news := range m.Subscribe(t.Context()) {
				for _, e := range news.Events {
					heard <- e
				}
			}
		}()
		synctest.Wait()
		require.NoError(t, m.Update(names(5)))
		assert.Equal(t, EventMembers, (<-heard).Kind)
		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		_, more := <-heard
		assert.False(t, more)
	})
}

func TestAFailingMemberIsAskedLastForAGrowingTime(t *testing.T) {
	var s standing
	now := time.Now()
	for i, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		want := time.Duration(seconds) * time.Second
		s.failed(now, 0, "why")
		assert.Equal(t, rankFailing, s.rank(now.Add(want-1)), i)
		assert.Equal(t, rankWell, s.rank(now.Add(want)), i)
	}
	s.answered(time.Millisecond)
	assert.Equal(t, rankWell, s.rank(now))
	assert.Empty(t, s.lastError)
	s.failed(now, time.Second, "slow")
	assert.Greater(t, s.latency, 100*time.Millisecond, "a slow answer counts as a latency")
}

func TestADissentUntilItIsClearedByHandLasts(t *testing.T) {
	var s standing
	now := time.Now()
	assert.True(t, s.contradicted(now, -1, false, ReasonDiffers, ""))
	assert.False(t, s.contradicted(now, -1, false, ReasonDiffers, ""), "known already")
	assert.True(t, s.contradicted(now, -1, true, ReasonFork, ""), "streams exclude it from now on")
	assert.True(t, s.dissents(now.Add(1000*time.Hour)))
	assert.True(t, s.clear())
	assert.False(t, s.clear())
}

func TestFasterMembersAreAskedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		ask := func(ctx context.Context, x Member) (string, error) {
			d := time.Millisecond
			if x.Name <= "org2" {
				d = 50 * time.Millisecond
			}
			return "truth", wait(ctx, d)
		}
		for range 3 {
			_, _, err := Read(t.Context(), m, Config{Agree: 4}, ask, identity)
			require.NoError(t, err)
		}
		for range 20 {
			_, v, err := Read(t.Context(), m, Config{}, ask, identity)
			require.NoError(t, err)
			require.Equal(t, []string{"org3", "org4"}, outcomes(v, OutcomeAgreed))
		}
	})
}

// A member that hangs is known for it although nobody ever waits for it.
func TestAMemberThatIsAlwaysPassedOverIsAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMembers(t, 4)
		ask := script("truth", map[string]manner{"org2": called("hangs")})
		asked := 0
		for range 100 {
			_, v, err := Read(t.Context(), m, Config{}, ask, identity)
			require.NoError(t, err)
			asked += v.Asked
		}
		assert.Less(t, asked, 225, "two are enough for nearly all reads")
		assert.Equal(t, "slower than the others", m.Status().Members[1].LastError)
	})
}

// A list that was asked for earlier does not replace one that was asked for later.
func TestAListThatComesLateIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		m, err := MembersFunc(func() []Member {
			if calls.Add(1) == 2 {
				time.Sleep(time.Second)
				return names(4)
			}
			return names(5)
		}, quiet())
		require.NoError(t, err)
		done := make(chan int)
		go func() { done <- len(m.List()) }()
		synctest.Wait()
		assert.Len(t, m.List(), 5)
		assert.Equal(t, 5, <-done)
		assert.Empty(t, m.Events())
	})
}
