package resolver

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	grpcresolver "google.golang.org/grpc/resolver"
)

// targetOf parses a target as grpc does.
func targetOf(t testing.TB, target string) grpcresolver.Target {
	t.Helper()
	u, err := url.Parse(target)
	require.NoError(t, err)
	return grpcresolver.Target{URL: *u}
}

func TestTheSchemeIsRegistered(t *testing.T) {
	assert.Equal(t, targetBuilder{}, grpcresolver.Get("static"))
	assert.Equal(t, "static", targetBuilder{}.Scheme())
	assert.Equal(t, "static", newStaticOf(t, named("a")).Scheme())
}

func TestATargetsListReachesTheChannel(t *testing.T) {
	for target, want := range map[string][]string{
		"static:///a:1,b:2":                                        {"a:1", "b:2"},
		"static:///https://a:1,http://b:2,c:3":                     {"a:1", "b:2", "c:3"},
		"static:///[::1]:1,[fe80::1%25eth0]:2":                     {"[::1]:1", "[fe80::1%eth0]:2"},
		"static:///https://[fe80::1%25eth0]:1":                     {"[fe80::1%eth0]:1"},
		"static:///https://[fe80::1%2525eth0]:1":                   {"[fe80::1%eth0]:1"},
		"static:/a:1":                                              {"a:1"},
		"STATIC:///a:1":                                            {"a:1"},
		"static:///%61:1":                                          {"a:1"},
		"static:///sequencer-1.example.com:5001,participant_2:443": {"sequencer-1.example.com:5001", "participant_2:443"},
	} {
		t.Run(target, func(t *testing.T) {
			parsed := targetOf(t, target)
			cc := &fakeChannel{}
			r, err := targetBuilder{}.Build(parsed, cc, grpcresolver.BuildOptions{})
			require.NoError(t, err)
			defer r.Close()
			assert.Equal(t, want, cc.lastNames(t))
			assert.Equal(t, cc.last(t).Endpoints[0].Addresses[0].ServerName, targetBuilder{}.OverrideAuthority(parsed))
		})
	}
}

func TestTargetsThatAreMoreThanAListAreErrors(t *testing.T) {
	const want = "; want static:///host:port,host:port"
	for target, problem := range map[string]string{
		"static://auth/a:1":              "target: has an authority part (between the second and the third slash)" + want,
		"static://a:1":                   "target: has an authority part (between the second and the third slash)" + want,
		"static://joe:secret@auth/a:1":   "target: has an authority part (between the second and the third slash)" + want,
		"static://joe:secret@/a:1":       "target: has an authority part (between the second and the third slash)" + want,
		"static:///a:1?x=secret":         "target: has a query" + want,
		"static:///a:1?":                 "target: has a query" + want,
		"static:///a:1#secret":           "target: has a fragment" + want,
		"static:a:1":                     "target: no /// after the scheme" + want,
		"static:":                        "target: empty list; want at least one endpoint",
		"static:///":                     "target: empty list; want at least one endpoint",
		"static:////a:1":                 `target[0] "/a:1": has a path; want host:port`,
		"static:///a:1,":                 "target[1]: empty; want host:port on both sides of every comma, and no comma at the end",
		"static:///a:1/":                 `target[0] "a:1/": has a path; want host:port`,
		"static:///a%00:1":               `target[0] "a\x00:1": has a control character; want host:port`,
		"static:///a%20:1":               `target[0] "a :1": has a space; want host:port`,
		"static:///https://joe:secret@a": `target[0] [hidden]: has user information (the part before an @); want host:port`,
		"static:///endpoints":            `target[0] "endpoints": missing port; want host:port`,
	} {
		t.Run(target, func(t *testing.T) {
			cc := &fakeChannel{}
			r, err := targetBuilder{}.Build(targetOf(t, target), cc, grpcresolver.BuildOptions{})
			require.EqualError(t, err, problem)
			assert.Nil(t, r)
			assert.Zero(t, cc.pushes())
			assert.NotPanics(t, func() { targetBuilder{}.OverrideAuthority(targetOf(t, target)) })
		})
	}
	assert.Empty(t, targetBuilder{}.OverrideAuthority(targetOf(t, "static:///a")))
}

func TestTheTargetOfALongListIsShortAndNoListByItself(t *testing.T) {
	list := make([]Endpoint, 5000)
	for i := range list {
		list[i].Address = "a:" + string(rune('1'+i%9)) + "000"
		list[i].ServerName = "s" + string(rune('a'+i/9%26)) + string(rune('a'+i/9/26))
		list[i].Name = list[i].Address + list[i].ServerName
	}
	s := newStaticOf(t, list)
	assert.Less(t, len(s.Target()), 40)
	_, err := targetBuilder{}.Build(targetOf(t, s.Target()), &fakeChannel{}, grpcresolver.BuildOptions{})
	require.Error(t, err, "a forgotten grpc.WithResolvers is noticed")
}
