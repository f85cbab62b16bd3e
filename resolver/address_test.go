package resolver

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/configerr"
)

func TestGoodAddressesGetANormalForm(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		in, address, hostPort, authority string
		security                         Security
	}{
		{in: "seq1:5001", address: "seq1:5001", hostPort: "seq1:5001", authority: "seq1:5001"},
		{in: "Seq1.Example.COM:5001", address: "seq1.example.com:5001", hostPort: "seq1.example.com:5001", authority: "seq1.example.com:5001"},
		{in: "seq_1-a.example.:1", address: "seq_1-a.example.:1", hostPort: "seq_1-a.example.:1", authority: "seq_1-a.example.:1"},
		{in: "a:00080", address: "a:80", hostPort: "a:80", authority: "a:80"},
		{in: "a:65535", address: "a:65535", hostPort: "a:65535", authority: "a:65535"},
		{in: "127.0.0.1:1", address: "127.0.0.1:1", hostPort: "127.0.0.1:1", authority: "127.0.0.1:1"},
		{in: long + ":1", address: long + ":1", hostPort: long + ":1", authority: long + ":1"},
		{in: "[0:0::0001]:1", address: "[::1]:1", hostPort: "[::1]:1", authority: "[::1]:1"},
		{in: "[2001:DB8::1]:1", address: "[2001:db8::1]:1", hostPort: "[2001:db8::1]:1", authority: "[2001:db8::1]:1"},
		{in: "[::ffff:10.0.0.1]:1", address: "[::ffff:10.0.0.1]:1", hostPort: "[::ffff:10.0.0.1]:1", authority: "[::ffff:10.0.0.1]:1"},
		{in: "[fe80::1%eth0]:1", address: "[fe80::1%eth0]:1", hostPort: "[fe80::1%eth0]:1", authority: "[fe80::1]:1"},
		{in: "[fe80::1%25eth0]:1", address: "[fe80::1%eth0]:1", hostPort: "[fe80::1%eth0]:1", authority: "[fe80::1]:1"},
		{in: "[fe80::1%25]:1", address: "[fe80::1%25]:1", hostPort: "[fe80::1%25]:1", authority: "[fe80::1]:1"},
		{in: "[fe80::1%253]:1", address: "[fe80::1%253]:1", hostPort: "[fe80::1%253]:1", authority: "[fe80::1]:1"},
		{in: "dns:///A:1", address: "a:1", hostPort: "a:1", authority: "a:1"},
		{in: "dns:///[::1]:443", address: "[::1]:443", hostPort: "[::1]:443", authority: "[::1]:443"},
		{in: "http://a:1", address: "http://a:1", hostPort: "a:1", authority: "a:1", security: SecurityPlaintext},
		{in: "HTTPS://A:1/", address: "https://a:1", hostPort: "a:1", authority: "a:1", security: SecurityTLS},
		{in: "https://[::1]:443", address: "https://[::1]:443", hostPort: "[::1]:443", authority: "[::1]:443", security: SecurityTLS},
		{in: "https://[fe80::1%25eth0]:1", address: "https://[fe80::1%25eth0]:1", hostPort: "[fe80::1%eth0]:1", authority: "[fe80::1]:1", security: SecurityTLS},
		{in: "https://[fe80::1%eth0]:1", address: "https://[fe80::1%25eth0]:1", hostPort: "[fe80::1%eth0]:1", authority: "[fe80::1]:1", security: SecurityTLS},
		{in: "https://[fe80::1%253]:1", address: "https://[fe80::1%253]:1", hostPort: "[fe80::1%3]:1", authority: "[fe80::1]:1", security: SecurityTLS},
	} {
		t.Run(c.in, func(t *testing.T) {
			list, err := Normalize([]Endpoint{{Address: c.in}})
			require.NoError(t, err)
			e := list[0]
			assert.Empty(t, e.UnixSocket())
			assert.Equal(t, c.address, e.Address)
			assert.Equal(t, c.hostPort, e.HostPort())
			assert.Equal(t, c.hostPort, e.Name, "an endpoint without a name is named by its host and port")
			assert.Equal(t, c.authority, e.Authority())
			assert.Equal(t, c.security, e.Security())
			assert.Equal(t, c.hostPort, Endpoint{Address: c.in}.HostPort(), "the same before it is in normal form")
		})
	}
}

func TestUnixSocketsAreAddresses(t *testing.T) {
	for _, c := range []struct{ in, address, dial, path string }{
		{"unix:///run/a.sock", "unix:///run/a.sock", "unix:///run/a.sock", "/run/a.sock"},
		{"unix:/run/a.sock", "unix:///run/a.sock", "unix:///run/a.sock", "/run/a.sock"},
		{"unix:a.sock", "unix:a.sock", "unix:a.sock", "a.sock"},
		{"unix:///run/user@1/a:b.sock", "unix:///run/user@1/a:b.sock", "unix:///run/user@1/a:b.sock", "/run/user@1/a:b.sock"},
		{"unix-abstract:name", "unix-abstract:name", "unix:@name", "@name"},
		{"unix-abstract:/a/name", "unix-abstract:/a/name", "unix:@/a/name", "@/a/name"},
		{"unix:@name", "unix-abstract:name", "unix:@name", "@name"},
		{"unix:///" + strings.Repeat("a", 106), "unix:///" + strings.Repeat("a", 106), "unix:///" + strings.Repeat("a", 106), "/" + strings.Repeat("a", 106)},
	} {
		t.Run(c.in, func(t *testing.T) {
			list, err := Normalize([]Endpoint{{Address: c.in}})
			require.NoError(t, err)
			e := list[0]
			assert.Equal(t, c.address, e.Address)
			assert.Equal(t, c.address, e.Name)
			assert.Equal(t, c.dial, e.HostPort())
			assert.Equal(t, c.path, e.UnixSocket())
			assert.Equal(t, "localhost", e.Authority(), "as in grpc")
			assert.Equal(t, SecurityUnset, e.Security())
			assert.Equal(t, c.dial, Endpoint{Address: c.in}.HostPort())
			again, err := Normalize(list)
			require.NoError(t, err)
			assert.Equal(t, list, again)
			parsed, err := ParseTarget(c.in + ",http://a:1," + "unix-abstract:other")
			require.NoError(t, err)
			assert.Equal(t, c.address, parsed[0].Address)
		})
	}
}

func TestBadUnixSocketsAreErrorsThatSayWhatWouldBeRight(t *testing.T) {
	const at = `endpoints[0].address `
	for in, want := range map[string]string{
		"unix:":                               at + `"unix:": empty path; want unix:///path`,
		"unix://":                             at + `"unix://": empty path; want unix:///path`,
		"unix:///":                            at + `"unix:///": is the path of a folder; want unix:///path`,
		"unix:///run/":                        at + `"unix:///run/": is the path of a folder; want unix:///path`,
		"unix://run/a.sock":                   at + `"unix://run/a.sock": has a host, or too few slashes; want unix:///path`,
		"unix:///a b":                         at + `"unix:///a b": has the character ' '; want unix:///path in printable ASCII without spaces`,
		"unix:///a\x00b":                      at + `"unix:///a\x00b": has the character '\x00'; want unix:///path in printable ASCII without spaces`,
		"unix:///a?b":                         at + `"unix:///a?b": has a ?; want unix:///path without any of ? # % ,`,
		"unix:///a%20b":                       at + `"unix:///a%20b": has a %; want unix:///path without any of ? # % ,`,
		"unix:///a,b":                         at + `"unix:///a,b": has a ,; want unix:///path without any of ? # % ,`,
		"unix-abstract:":                      at + `"unix-abstract:": empty path; want unix-abstract:name`,
		"unix-abstract://a/b":                 at + `"unix-abstract://a/b": has slashes after the scheme; want unix-abstract:name`,
		"unix:///" + strings.Repeat("a", 107): at + `"unix:///` + strings.Repeat("a", 89) + `...": the path is 108 bytes long; want at most 107`,
		"http://unix:///a":                    at + `"http://unix:///a": has a path; want http://host:port`,
	} {
		_, err := Normalize([]Endpoint{{Address: in}})
		assert.EqualError(t, err, want)
	}
}

func TestTheHealthTargetOfAUnixSocketIsOnThisMachine(t *testing.T) {
	const own = "unix:///run/a.sock"
	for name, c := range map[string]struct {
		health       HealthTarget
		address, url string
	}{
		"another port":             {HealthTarget{GRPCPort: 5002}, "localhost:5002", ""},
		"another address":          {HealthTarget{GRPCAddress: "http://{host}:5002"}, "http://localhost:5002", ""},
		"another socket":           {HealthTarget{GRPCAddress: "unix:///run/health.sock"}, "unix:///run/health.sock", ""},
		"an abstract one":          {HealthTarget{GRPCAddress: "unix-abstract:health"}, "unix-abstract:health", ""},
		"HTTP over the socket":     {HealthTarget{HTTP: "http://{host}/health?x=1"}, own, "http://localhost/health?x=1"},
		"HTTPS over the socket":    {HealthTarget{HTTP: "https://{host}"}, own, "https://localhost"},
		"HTTP over TCP":            {HealthTarget{HTTP: "http://{host}:8080/health"}, "http://localhost:8080", "http://localhost:8080/health"},
		"HTTP elsewhere":           {HealthTarget{HTTP: "http://b/health"}, "http://b:80", "http://b/health"},
		"TCP":                      {HealthTarget{TCP: "{host}:5002"}, "localhost:5002", ""},
		"a connection to a socket": {HealthTarget{TCP: "unix:///run/b.sock"}, "unix:///run/b.sock", ""},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := Normalize([]Endpoint{{Name: "a", Address: own, Health: c.health}})
			require.NoError(t, err)
			target, ok := list[0].HealthEndpoint()
			require.True(t, ok)
			assert.Equal(t, c.address, target.Address)
			assert.Equal(t, c.url, list[0].HealthURL())
		})
	}
}

func TestBadAddressesAreErrorsThatSayWhatWouldBeRight(t *testing.T) {
	const at = `endpoints[0].address `
	long := strings.Repeat("a", 64)
	for name, c := range map[string]struct{ in, want string }{
		"empty":                    {"", `endpoints[0].address: empty; want host:port`},
		"no port":                  {"host", at + `"host": missing port; want host:port`},
		"colon and no port":        {"host:", at + `"host:": missing port; want host:port`},
		"IPv6 and no port":         {"[::1]", at + `"[::1]": missing port; want host:port`},
		"http URL, no port":        {"http://host", at + `"http://host": missing port; want http://host:port`},
		"https URL, no port":       {"https://host/", at + `"https://host/": missing port; want https://host:port`},
		"port 0":                   {"a:0", at + `"a:0": bad port "0"; want a number from 1 to 65535`},
		"port too great":           {"a:65536", at + `"a:65536": bad port "65536"; want a number from 1 to 65535`},
		"negative port":            {"a:-1", at + `"a:-1": bad port "-1"; want a number from 1 to 65535`},
		"port with sign":           {"a:+1", at + `"a:+1": bad port "+1"; want a number from 1 to 65535`},
		"port by name":             {"a:grpc", at + `"a:grpc": bad port "grpc"; want a number from 1 to 65535`},
		"empty host":               {":1", at + `":1": empty host; want host:port`},
		"empty host in URL":        {"https://:1", at + `"https://:1": empty host; want https://host:port`},
		"nothing in URL":           {"https://", at + `"https://": missing port; want https://host:port`},
		"NUL":                      {"a\x00:1", at + `"a\x00:1": has a control character; want host:port`},
		"newline":                  {"a:1\n", at + `"a:1\n": has a control character; want host:port`},
		"DEL":                      {"a\x7f:1", at + `"a\x7f:1": has a control character; want host:port`},
		"space":                    {"a b:1", at + `"a b:1": has a space; want host:port`},
		"space at the end":         {"a:1 ", at + `"a:1 ": has a space; want host:port`},
		"international name":       {"bücher:1", at + `"bücher:1": has a character outside ASCII; want host:port in ASCII (an international name in its xn-- form)`},
		"not UTF-8":                {"a\xff:1", at + `"a\xff:1": has a character outside ASCII; want host:port in ASCII (an international name in its xn-- form)`},
		"unknown scheme":           {"xds:///a:1", at + `"xds:///a:1": unknown scheme; want host:port, dns:///host:port, http://host:port, https://host:port, unix:///path or unix-abstract:name`},
		"dns with a name server":   {"dns://8.8.8.8/a:1", at + `"dns://8.8.8.8/a:1": names a name server; want dns:///host:port`},
		"dns without a port":       {"dns:///a", at + `"dns:///a": missing port; want host:port`},
		"path":                     {"https://a:1/x", at + `"https://a:1/x": has a path; want https://host:port`},
		"two slashes":              {"http://a:1//", at + `"http://a:1//": has a path; want http://host:port`},
		"query":                    {"https://a:1?x=1", at + `"https://a:1?x=1": has a query; want https://host:port`},
		"fragment":                 {"https://a:1#x", at + `"https://a:1#x": has a fragment; want https://host:port`},
		"path without scheme":      {"a:1/x", at + `"a:1/x": has a path; want host:port`},
		"slash without scheme":     {"a:1/", at + `"a:1/": has a path; want host:port`},
		"user information":         {"https://joe:secret@a:1", at + `[hidden]: has user information (the part before an @); want host:port`},
		"user without scheme":      {"joe:secret@a:1", at + `[hidden]: has user information (the part before an @); want host:port`},
		"encoded @":                {"https://joe:secret%40a:1", at + `[hidden]: has user information (the part before an @); want host:port`},
		"secret and space":         {"https://joe:sec ret@a:1", at + `[hidden]: has a space; want host:port`},
		"IPv6 without brackets":    {"::1:5001", at + `"::1:5001": has more than one colon; want an IPv6 address in brackets, [address]:port`},
		"no closing bracket":       {"[::1:5001", at + `"[::1:5001": has [ without ]; want [address]:port`},
		"text after bracket":       {"[::1]x:1", at + `"[::1]x:1": has "x:1" after the ]; want [address]:port`},
		"bad IPv6":                 {"[::g]:1", at + `"[::g]:1": bad IPv6 address "::g"; want an IPv6 address between the brackets`},
		"nothing in brackets":      {"[]:1", at + `"[]:1": bad IPv6 address ""; want an IPv6 address between the brackets`},
		"IPv4 in brackets":         {"[1.2.3.4]:1", at + `"[1.2.3.4]:1": bad IPv6 address "1.2.3.4"; want an IPv6 address between the brackets`},
		"two ports behind bracket": {"[::1]:1:2", at + `"[::1]:1:2": bad port "1:2"; want a number from 1 to 65535`},
		"empty zone":               {"[fe80::1%]:1", at + `"[fe80::1%]:1": bad zone ""; want the name or the number of a network interface, as in [fe80::1%eth0]:port`},
		"zone encoded twice":       {"https://[fe80::1%2525eth0]:1", at + `"https://[fe80::1%2525eth0]:1": bad zone "25eth0"; want the name or the number of a network interface, as in [fe80::1%eth0]:port`},
		"bad zone":                 {"[fe80::1%e!]:1", at + `"[fe80::1%e!]:1": bad zone "e!"; want the name or the number of a network interface, as in [fe80::1%eth0]:port`},
		"IPv4 out of range":        {"1.2.3.256:1", at + `"1.2.3.256:1": bad IPv4 address "1.2.3.256"; want four numbers from 0 to 255 with dots between, or a name`},
		"short IPv4":               {"10.1:1", at + `"10.1:1": bad IPv4 address "10.1"; want four numbers from 0 to 255 with dots between, or a name`},
		"empty label":              {"a..b:1", at + `"a..b:1": bad host; want 1 to 63 characters between the dots`},
		"long label":               {long + ":1", at + `"` + long + `:1": bad host; want 1 to 63 characters between the dots`},
		"bad character":            {"a!b:1", at + `"a!b:1": bad character in the host; want letters, digits, dots, - and _`},
		"per cent":                 {"a%20b:1", at + `"a%20b:1": bad character in the host; want letters, digits, dots, - and _`},
		"long host":                {strings.Repeat("abc.", 70) + ":1", at + `"` + strings.Repeat("abc.", 24) + `a...": the host is 279 bytes long; want at most 253`},
		"long address":             {strings.Repeat("a", 513), at + `"` + strings.Repeat("a", 97) + `...": is 513 bytes long; want at most 512`},
	} {
		t.Run(name, func(t *testing.T) {
			e := Endpoint{Address: c.in}
			list, err := Normalize([]Endpoint{e})
			require.EqualError(t, err, c.want)
			assert.Nil(t, list)
			var typed *configerr.Error
			require.ErrorAs(t, err, &typed)
			assert.Equal(t, "endpoints[0].address", typed.Field)
			assert.Empty(t, e.HostPort(), "an address that is not valid has no host and port")
			assert.Empty(t, e.Authority())
			assert.Equal(t, SecurityUnset, e.Security())
		})
	}
}

func TestSecurityNamesItself(t *testing.T) {
	assert.Equal(t, "unset", SecurityUnset.String())
	assert.Equal(t, "plaintext", SecurityPlaintext.String())
	assert.Equal(t, "TLS", SecurityTLS.String())
	assert.Equal(t, "unset", Security(77).String())
}
