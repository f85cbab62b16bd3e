package resolver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	grpcresolver "google.golang.org/grpc/resolver"
)

func TestGoodServerNamesGetANormalForm(t *testing.T) {
	for in, want := range map[string]string{
		"Seq1.Example.com":     "seq1.example.com",
		"seq1.example.com:443": "seq1.example.com:443",
		"10.0.0.1":             "10.0.0.1",
		"[0:0::1]":             "[::1]",
		"[::1]:0443":           "[::1]:443",
	} {
		list, err := Normalize([]Endpoint{{Address: "a:1", ServerName: in}})
		require.NoError(t, err, in)
		assert.Equal(t, want, list[0].ServerName)
		assert.Equal(t, want, list[0].Authority())
		assert.Equal(t, "a:1", list[0].HostPort())
	}
}

func TestBadServerNamesAreErrors(t *testing.T) {
	const at = `endpoints[0].serverName `
	for in, want := range map[string]string{
		"https://a":    at + `"https://a": bad port "//a"; want a number from 1 to 65535`,
		"a b":          at + `"a b": has a space; want a host, or host:port`,
		"a\r\nx:1":     at + `"a\r\nx:1": has a control character; want a host, or host:port`,
		"joe:pw@a":     at + `[hidden]: has user information (the part before an @); want a host, or host:port`,
		"::1":          at + `"::1": has more than one colon; want an IPv6 address in brackets, [address]:port`,
		"a:":           at + `"a:": missing port; want a host, or host:port`,
		":1":           at + `":1": empty host; want a host, or host:port`,
		"a:0":          at + `"a:0": bad port "0"; want a number from 1 to 65535`,
		"a/b":          at + `"a/b": bad character in the host; want letters, digits, dots, - and _`,
		"[fe80::1%e0]": at + `"[fe80::1%e0]": has a zone; want a host, or host:port without a zone`,
		"[::1":         at + `"[::1": has [ without ]; want [address]:port`,
	} {
		_, err := Normalize([]Endpoint{{Address: "a:1", ServerName: in}})
		require.EqualError(t, err, want)
	}
	_, err := Normalize([]Endpoint{{Address: "a:1", ServerName: strings.Repeat("a", 300)}})
	require.ErrorContains(t, err, "is 300 bytes long; want at most 260")
}

func TestBadPrioritiesAreErrors(t *testing.T) {
	for _, priority := range []int{-1, 1001} {
		_, err := Normalize([]Endpoint{{Address: "a:1", Priority: priority}})
		require.EqualError(t, err, fmt.Sprintf(`endpoints[0].priority %d: out of range; want a whole number from 0 to 1000`, priority))
	}
	_, err := Normalize([]Endpoint{{Address: "a:1", Priority: MaxPriority}})
	require.NoError(t, err)
}

func TestBadWeightsAndZonesAreErrors(t *testing.T) {
	for want, e := range map[string]Endpoint{
		`endpoints[0].weight -1: out of range; want a whole number from 1 to 100`:                                         {Weight: -1},
		`endpoints[0].weight 101: out of range; want a whole number from 1 to 100`:                                        {Weight: 101},
		`endpoints[0].zone "eu ": begins or ends with a space; want printable text with no space at its ends`:             {Zone: "eu "},
		`endpoints[0].zone "` + strings.Repeat("z", 65) + `": is 65 bytes long; want at most 64`:                          {Zone: strings.Repeat("z", 65)},
		`endpoints[0].zone "e\nu": has a character that cannot be printed; want printable text with no space at its ends`: {Zone: "e\nu"},
	} {
		e.Address = "a:1"
		_, err := Normalize([]Endpoint{e})
		require.EqualError(t, err, want)
	}
}

func TestWeightsThatMakeTooManyTurnsAreAnError(t *testing.T) {
	list := make([]Endpoint, 1321) // 13 times 1 to 100, and 1 to 21
	for i := range list {
		list[i] = Endpoint{Address: fmt.Sprintf("h%d:1", i), Weight: 1 + i%100}
	}
	_, err := Normalize(list)
	require.EqualError(t, err, "endpoints: the weights, divided by their greatest common divisor, add up to 65881; want at most 65536: coarser weights")
	_, err = Normalize(list[:1298])
	require.NoError(t, err)
	for i := range list {
		list[i].Weight = 100
	}
	_, err = Normalize(list)
	require.NoError(t, err, "equal weights are all one")
}

func TestWhatNoConnectionDependsOnDoesNotReachTheAddress(t *testing.T) {
	static, err := New([]Endpoint{{Name: "a", Address: "a:1", Weight: 3, Zone: "eu", Priority: 2}})
	require.NoError(t, err)
	c := &channel{list: static, claim: new(Claim)}
	e := c.state(static.Endpoints()).Endpoints[0]
	whole, ok := FromGRPC(e)
	require.True(t, ok)
	assert.Equal(t, Endpoint{Name: "a", Address: "a:1", Weight: 3, Zone: "eu", Priority: 2}, whole)
	dialled, ok := FromAddress(e.Addresses[0])
	require.True(t, ok)
	assert.Equal(t, Endpoint{Name: "a", Address: "a:1"}, dialled)
}

func TestBadNamesAreErrors(t *testing.T) {
	const at = `endpoints[0].name `
	const want = "; want printable text with no space at its ends"
	for in, problem := range map[string]string{
		" a":       at + `" a": begins or ends with a space` + want,
		"a\t":      at + `"a\t": begins or ends with a space` + want,
		"a\nb":     at + `"a\nb": has a character that cannot be printed` + want,
		"a\u202eb": at + `"a\u202eb": has a character that cannot be printed` + want,
		"a\xffb":   at + `"a\xffb": is not valid UTF-8` + want,
	} {
		_, err := Normalize([]Endpoint{{Name: in, Address: "a:1"}})
		require.EqualError(t, err, problem)
	}
	_, err := Normalize([]Endpoint{{Name: strings.Repeat("é", 129), Address: "a:1"}})
	require.EqualError(t, err, at+`"`+strings.Repeat("é", 48)+`...": is 258 bytes long; want at most 256`)

	list, err := Normalize([]Endpoint{{Name: "Folgerechner 1 (Zürich)", Address: "a:1"}})
	require.NoError(t, err)
	assert.Equal(t, "Folgerechner 1 (Zürich)", list[0].Name)
}

func TestEndpointsAreEqualIfAllFieldsAre(t *testing.T) {
	e := Endpoint{Name: "n", Address: "a:1", ServerName: "s"}
	assert.True(t, e.Equal(Endpoint{Name: "n", Address: "a:1", ServerName: "s"}))
	assert.False(t, e.Equal(Endpoint{Name: "x", Address: "a:1", ServerName: "s"}))
	assert.False(t, e.Equal(Endpoint{Name: "n", Address: "a:2", ServerName: "s"}))
	assert.False(t, e.Equal(Endpoint{Name: "n", Address: "a:1"}))
	assert.False(t, e.Equal("n"))
	assert.False(t, e.Equal(nil))
}

func TestAnEndpointPrintsItsNameAndWhereItIs(t *testing.T) {
	assert.Equal(t, "seq1 (a:1)", Endpoint{Name: "seq1", Address: "https://A:1"}.String())
	assert.Equal(t, "a:1", Endpoint{Name: "a:1", Address: "a:1"}.String())
	assert.Equal(t, "a:1", Endpoint{Address: "a:1"}.String())
	assert.NotContains(t, Endpoint{Address: "https://joe:secret@a:1"}.String(), "secret")
}

func TestWhatAnotherResolverMadeIsNotOurs(t *testing.T) {
	_, ok := FromGRPC(grpcresolver.Endpoint{Addresses: []grpcresolver.Address{{Addr: "a:1"}}})
	assert.False(t, ok)
	_, ok = FromAddress(grpcresolver.Address{Addr: "a:1"})
	assert.False(t, ok)
}
