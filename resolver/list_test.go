package resolver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/configerr"
)

func TestATargetIsAListOfAddresses(t *testing.T) {
	list, err := ParseTarget("Seq1:5001,https://seq2:5001,http://[::1]:5001,[fe80::1%eth0]:5001")
	require.NoError(t, err)
	assert.Equal(t, []Endpoint{
		{Name: "seq1:5001", Address: "seq1:5001"},
		{Name: "seq2:5001", Address: "https://seq2:5001"},
		{Name: "[::1]:5001", Address: "http://[::1]:5001"},
		{Name: "[fe80::1%eth0]:5001", Address: "[fe80::1%eth0]:5001"},
	}, list)
}

func TestBadTargetsAreErrors(t *testing.T) {
	const commas = "empty; want host:port on both sides of every comma, and no comma at the end"
	for name, c := range map[string]struct{ in, want string }{
		"empty":          {"", "target: empty list; want at least one endpoint"},
		"trailing comma": {"a:1,", "target[1]: " + commas},
		"leading comma":  {",a:1", "target[0]: " + commas},
		"double comma":   {"a:1,,b:1", "target[1]: " + commas},
		"only a comma":   {",", "target[0]: " + commas + "\ntarget[1]: " + commas},
		"no port":        {"a:1,b", `target[1] "b": missing port; want host:port`},
		"port too great": {"a:70000", `target[0] "a:70000": bad port "70000"; want a number from 1 to 65535`},
		"space":          {"a:1, b:1", `target[1] " b:1": has a space; want host:port`},
		"control":        {"a:1,\x01b:1", `target[1] "\x01b:1": has a control character; want host:port`},
		"twice": {"a:1,b:1,A:01",
			`target[2] "A:01": the same address and server name as target[0], named "a:1"; want each address once`},
		"twice with scheme": {"a:1,https://a:1",
			`target[1] "https://a:1": the same address and server name as target[0], named "a:1"; want each address once`},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := ParseTarget(c.in)
			require.EqualError(t, err, c.want)
			assert.Nil(t, list)
			var typed *configerr.Error
			require.ErrorAs(t, err, &typed)
		})
	}
}

func TestAPasswordInATargetIsNeverShownEvenIfACommaCutsIt(t *testing.T) {
	for _, in := range []string{
		"https://joe:hush,hush@a:1", "a:1,hush:hush@b:1", "joe:hush/hush?hush#@a:1", "[hush]hush,x@y:1",
		"[::1%hush!]:1,[hush]:1,a:hush,hush:hush:hush,@", "hush:1,hush:1,@", "dns://hush,hush%40a:1",
	} {
		_, err := ParseTarget(in)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hush", in)
	}
	_, err := New([]Endpoint{{Name: "joe:hush@a", Address: "a:1"}, {Name: "joe:hush@a", Address: "b:1"}})
	require.EqualError(t, err, `endpoints[1].name [hidden]: also the name of endpoints[0], at "a:1"; want each name once`)
}

func TestTheNumberOfEndpointsIsLimited(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ",h%d:1", i)
		}
		return b.String()[1:]
	}
	list, err := ParseTarget(many(MaxEndpoints))
	require.NoError(t, err)
	assert.Len(t, list, MaxEndpoints)

	_, err = ParseTarget(many(100_000))
	require.EqualError(t, err, "target: 100000 endpoints; want at most 10000")
	_, err = ParseTarget(many(MaxEndpoints + 1))
	require.EqualError(t, err, "target: 10001 endpoints; want at most 10000")
	_, err = ParseTarget(strings.Repeat("a", 6_000_000))
	require.EqualError(t, err, "target: is 6000000 bytes long; want at most 5130000 bytes and 10000 endpoints")
	_, err = Normalize(make([]Endpoint, MaxEndpoints+1))
	require.EqualError(t, err, "endpoints: 10001 endpoints; want at most 10000")
}

func TestAnEmptyListIsAnError(t *testing.T) {
	for _, list := range [][]Endpoint{nil, {}} {
		_, err := Normalize(list)
		require.EqualError(t, err, "endpoints: empty list; want at least one endpoint")
	}
}

func TestDuplicatesAreErrorsThatNameBoth(t *testing.T) {
	for name, c := range map[string]struct {
		list []Endpoint
		want string
	}{
		"the same name": {
			[]Endpoint{{Name: "seq", Address: "a:1"}, {Name: "x", Address: "c:1"}, {Name: "seq", Address: "b:1"}},
			`endpoints[2].name "seq": also the name of endpoints[0], at "a:1"; want each name once`,
		},
		"a name that is another's address": {
			[]Endpoint{{Name: "b:1", Address: "a:1"}, {Address: "b:1"}},
			`endpoints[1].name "b:1": also the name of endpoints[0], at "a:1"; want each name once`,
		},
		"the same address": {
			[]Endpoint{{Name: "x", Address: "a:1"}, {Name: "y", Address: "http://A:1"}},
			`endpoints[1].address "http://A:1": the same address and server name as endpoints[0], named "x"; want each address once`,
		},
		"the same server name": {
			[]Endpoint{{Name: "x", Address: "a:1", ServerName: "s"}, {Name: "y", Address: "a:1", ServerName: "S"}},
			`endpoints[1].address "a:1": the same address and server name as endpoints[0], named "x"; want each address once`,
		},
		"the default server name, written out": {
			[]Endpoint{{Name: "x", Address: "a:1"}, {Name: "y", Address: "a:1", ServerName: "a:1"}},
			`endpoints[1].address "a:1": the same address and server name as endpoints[0], named "x"; want each address once`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Normalize(c.list)
			require.EqualError(t, err, c.want)
		})
	}
	_, err := Normalize([]Endpoint{{Name: "x", Address: "a:1", ServerName: "s1"}, {Name: "y", Address: "a:1", ServerName: "s2"}})
	require.NoError(t, err, "one address under two server names is two endpoints")
}

func TestOnlyTheFirstErrorsAreListed(t *testing.T) {
	_, err := ParseTarget(strings.Repeat("bad,", 999) + "bad")
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 21)
	assert.Equal(t, `target[19] "bad": missing port; want host:port`, lines[19])
	assert.Equal(t, "and 980 more", lines[20])
}

func TestNormalizeCopies(t *testing.T) {
	in := []Endpoint{{Address: "A:1"}}
	out, err := Normalize(in)
	require.NoError(t, err)
	assert.Equal(t, []Endpoint{{Address: "A:1"}}, in, "what was given stays as it was")
	again, err := Normalize(out)
	require.NoError(t, err)
	assert.Equal(t, out, again)
}

func TestEveryFaultOfAListIsReported(t *testing.T) {
	_, err := Normalize([]Endpoint{
		{Name: "a ", Address: "a", Weight: 200},
		{Name: "b", Address: "http://b:1", Priority: -1, Zone: " ", TLS: TLS{CertFile: "c", RootCAPEM: "none"}, Token: NewSecret("x")},
		{Name: "b", Address: "https://c:1", Weight: -1, Health: HealthTarget{HTTP: "ftp://x", ExpectedStatus: 1, ServerName: "a b"}},
	})
	var fields []string
	for _, f := range configerr.All(err) {
		fields = append(fields, f.Field)
	}
	assert.Equal(t, []string{
		"endpoints[0].address", "endpoints[0].name", "endpoints[0].weight",
		"endpoints[1].zone", "endpoints[1].priority", "endpoints[1].tls.keyFile", "endpoints[1].tls.rootCAPEM", "endpoints[1].tls",
		"endpoints[1].token",
		"endpoints[2].weight", "endpoints[2].health.expectedStatus", "endpoints[2].health.serverName", "endpoints[2].health.http",
		"endpoints[2].name",
	}, fields)
}
