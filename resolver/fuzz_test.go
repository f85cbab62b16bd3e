package resolver

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/configerr"
)

// maxErrorLength is more than eleven errors can have.
const maxErrorLength = 50_000

// requireGoodError checks what holds for each error of this package.
func requireGoodError(t *testing.T, err error) {
	t.Helper()
	var typed *configerr.Error
	require.ErrorAs(t, err, &typed)
	assert.NotEmpty(t, typed.Field)
	assert.NotEmpty(t, typed.Problem)
	assert.NotEmpty(t, typed.Want)
	assert.Less(t, len(err.Error()), maxErrorLength)
	assert.NotContains(t, err.Error(), "\x00")
}

// requireGoodList checks what holds for each list in normal form.
func requireGoodList(t *testing.T, list []Endpoint) {
	t.Helper()
	require.NotEmpty(t, list)
	require.LessOrEqual(t, len(list), MaxEndpoints)
	again, err := Normalize(list)
	require.NoError(t, err)
	require.Equal(t, list, again, "the normal form of a normal form is itself")
	names := map[string]bool{}
	for _, e := range list {
		require.False(t, names[e.Name])
		names[e.Name] = true
		tcp := []string{e.HostPort(), Endpoint{Address: e.Address}.Authority()}
		if path := e.UnixSocket(); path != "" {
			require.LessOrEqual(t, len(path), maxSocketPath)
			require.Equal(t, "localhost", tcp[1])
			require.NotContains(t, path, ",")
			tcp = nil
		}
		for _, hostPort := range tcp {
			host, port, err := net.SplitHostPort(hostPort)
			require.NoError(t, err)
			require.NotEmpty(t, host)
			n, err := strconv.Atoi(port)
			require.NoError(t, err)
			require.True(t, n >= 1 && n <= 65535)
			require.Equal(t, strconv.Itoa(n), port)
			require.False(t, strings.ContainsAny(hostPort, "@/ \t\r\n,\x00"))
		}
		plain, err := Normalize([]Endpoint{{Address: e.HostPort()}})
		require.NoError(t, err)
		require.Equal(t, e.HostPort(), plain[0].HostPort(), "what is dialled parses to itself")
	}
}

func FuzzEndpointAddress(f *testing.F) {
	f.Add("", "seq1:5001", "")
	f.Add("", "unix:///run/a@b.sock", "x")
	f.Add("", "unix-abstract:name", "")
	f.Fuzz(func(t *testing.T, name, address, serverName string) {
		list, err := Normalize([]Endpoint{{Name: name, Address: address, ServerName: serverName}})
		_ = Endpoint{Name: name, Address: address, ServerName: serverName}.String()
		if err != nil {
			require.Nil(t, list)
			requireGoodError(t, err)
			if before, _, ok := strings.Cut(address, "@"); ok && len(before) > 20 {
				require.NotContains(t, err.Error(), before, "user information is never shown")
			}
			return
		}
		requireGoodList(t, list)
		e := list[0]
		require.Equal(t, Endpoint{Address: address}.HostPort(), e.HostPort())
		require.Equal(t, Endpoint{Address: address}.Security(), e.Security())
		require.NotEmpty(t, e.Authority())

		// The address goes through a target of grpc, too.
		u := url.URL{Scheme: Scheme, Path: "/" + e.Address}
		parsed, err := url.Parse(u.String())
		require.NoError(t, err)
		target := grpcresolver.Target{URL: *parsed}
		require.NoError(t, checkURL(target))
		fromTarget, err := ParseTarget(target.Endpoint())
		require.NoError(t, err)
		require.Equal(t, e.Address, fromTarget[0].Address)
	})
}

func FuzzParseTarget(f *testing.F) {
	f.Add("a:1,b:1")
	f.Add("unix:a,unix:///a,unix-abstract:a,unix:@b")
	f.Fuzz(func(t *testing.T, in string) {
		list, err := ParseTarget(in)
		if err != nil {
			require.Nil(t, list)
			requireGoodError(t, err)
			return
		}
		requireGoodList(t, list)
		require.Len(t, list, strings.Count(in, ",")+1)
		addresses := make([]string, len(list))
		for i, e := range list {
			if e.UnixSocket() == "" {
				require.Equal(t, e.Name, e.HostPort())
			} else {
				require.Equal(t, e.Name, e.Address)
			}
			addresses[i] = e.Address
		}
		again, err := ParseTarget(strings.Join(addresses, ","))
		require.NoError(t, err)
		require.Equal(t, list, again)
	})
}

func FuzzHealthTarget(f *testing.F) {
	f.Add("https://seq1:5001", 10003, "", "", "", "x", 0)
	f.Add("http://[fe80::1%25eth0]:1", 0, "http://{host}:2", "", "", "*", 0)
	f.Add("a:1", 0, "", "https://{host}/health?x", "", "", 204)
	f.Add("a:1", 0, "", "", "{host}:7", "", 0)
	f.Add("unix:///a", 5, "", "", "", "", 0)
	f.Add("unix:///a", 0, "unix-abstract:b", "", "", "", 0)
	f.Add("unix-abstract:a", 0, "", "https://{host}?x", "", "", 0)
	f.Add("a:1", 0, "", "", "unix:///a", "", 0)
	f.Fuzz(func(t *testing.T, address string, port int, grpcAddress, page, tcp, service string, status int) {
		e := Endpoint{Address: address, Health: HealthTarget{
			GRPCPort: port, GRPCAddress: grpcAddress, HTTP: page, TCP: tcp, Service: service, ExpectedStatus: status,
		}}
		list, err := Normalize([]Endpoint{e})
		if err != nil {
			requireGoodError(t, err)
			return
		}
		requireGoodList(t, list)
		target, elsewhere := list[0].HealthEndpoint()
		require.Equal(t, list[0].Health.isElsewhere(), elsewhere)
		if elsewhere {
			_, err := Normalize([]Endpoint{target})
			require.NoError(t, err, "a health target is an endpoint")
		}
	})
}
