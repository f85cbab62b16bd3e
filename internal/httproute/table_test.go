package httproute

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARouteIsFound(t *testing.T) {
	var routes Table[int]
	for i, r := range []string{"GET /a", "GET /a/{b}", "GET /a/b", "POST /a/{b}/c/{d}", "GET /"} {
		assert.True(t, routes.Add(r, i), r)
	}
	for _, bad := range []string{"", "GET", "/x", "get /x", "GET x", "GET /x?y", "GET /x y", "GET /a/{}/b", "GET /a//{b}", "GET /a{b}/c"} {
		assert.False(t, routes.Add(bad, 9), bad)
	}
	for request, want := range map[[2]string]struct {
		value int
		names []string
	}{
		{"GET", "/"}: {4, nil}, {"GET", "/a"}: {0, nil}, {"GET", "/a/b"}: {2, nil}, {"GET", "/a/x%2Fy"}: {1, []string{"x%2Fy"}},
		{"POST", "/a/1/c/2"}: {3, []string{"1", "2"}},
	} {
		v, names, ok := routes.Match(request[0], request[1])
		assert.True(t, ok, request)
		assert.Equal(t, want.value, v, request)
		assert.Equal(t, want.names, names, request)
		v, ok = routes.Find(request[0], request[1])
		assert.True(t, ok)
		assert.Equal(t, want.value, v)
	}
	for _, path := range []string{"", "a", "/b", "/a/", "/a/x/y", "//a", "/a//", "/A", "/a/.", "/a/..", "/a/%2E%2e", "/a/.%2e"} {
		_, ok := routes.Find("GET", path)
		assert.False(t, ok, path)
	}
	_, ok := routes.Find("PUT", "/a")
	assert.False(t, ok)
	_, ok = new(Table[int]).Find("GET", "/a")
	assert.False(t, ok)
}
