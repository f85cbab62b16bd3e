package resolver

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/credentials"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/configerr"
)

// byPointer and byValue are call credentials, of which one cannot be compared.
type (
	byPointer struct{}
	byValue   []string
)

func (*byPointer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, nil
}
func (*byPointer) RequireTransportSecurity() bool { return true }
func (byValue) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, nil
}
func (byValue) RequireTransportSecurity() bool { return true }

func TestABadSettingOfAnEndpointIsNamed(t *testing.T) {
	secret := NewSecret("hunter2")
	long := strings.Repeat("a", 5000)
	key := "-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n"
	for name, c := range map[string]struct {
		e    Endpoint // its address is https://seq1:1 unless it has one
		want string
	}{
		"two roots": {Endpoint{TLS: TLS{RootCAFile: "ca.pem", RootCAPEM: "x"}},
			`tls.rootCAPEM: rootCAFile is set too; want one of them`},
		"roots that are none": {Endpoint{TLS: TLS{RootCAPEM: "x"}},
			`tls.rootCAPEM: no certificate in it; want one or more whole blocks of BEGIN CERTIFICATE`},
		"roots of which one is damaged": {Endpoint{TLS: TLS{RootCAPEM: "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n" + key}},
			`tls.rootCAPEM: block 1 cannot be read; want one or more whole blocks of BEGIN CERTIFICATE`},
		"roots that hold something else": {Endpoint{TLS: TLS{RootCAPEM: key}},
			`tls.rootCAPEM: block 1 is a "KEY", not a CERTIFICATE; want one or more whole blocks of BEGIN CERTIFICATE`},
		"roots without end": {Endpoint{TLS: TLS{RootCAPEM: strings.Repeat("x", MaxPEM+1)}},
			`tls.rootCAPEM: is 1048577 bytes long; want at most 1048576`},
		"a certificate without its key": {Endpoint{TLS: TLS{CertFile: "c.pem"}}, `tls.keyFile: missing; want the key of certFile`},
		"a key without its certificate": {Endpoint{TLS: TLS{KeyFile: "k.pem"}}, `tls.certFile: missing; want the certificate of keyFile`},
		"a long path":                   {Endpoint{TLS: TLS{RootCAFile: long}}, `...": is 5000 bytes long; want at most 4096`},
		"a path with a NUL":             {Endpoint{TokenFile: "a\x00b"}, `tokenFile "a\x00b": has a NUL; want the path of a file`},
		"TLS settings without TLS": {Endpoint{Address: "http://seq1:1", TLS: TLS{RootCAFile: "ca.pem"}},
			`tls: the address is http://; want an https:// address, or no TLS settings`},
		"two tokens": {Endpoint{Token: secret, TokenFile: "t"}, `tokenFile: token is set too; want one of token, tokenFile and credentials`},
		"a token and credentials": {Endpoint{TokenFile: "t", Credentials: new(byPointer)},
			`credentials: tokenFile is set too; want one of token, tokenFile and credentials`},
		"credentials that cannot be compared": {Endpoint{Credentials: byValue{"a scope"}},
			`credentials "resolver.byValue": cannot be compared; want a pointer, or another type that can be compared`},
		"a token with its scheme": {Endpoint{Token: NewSecret("Bearer hunter2")}, `token: has a space; want the token alone`},
		"a token in plaintext": {Endpoint{Address: "http://seq1:1", Token: secret},
			`token: would be sent over plaintext; want an https:// address, or allowInsecureTokens`},
		"a token's file in plaintext": {Endpoint{Address: "http://seq1:1", TokenFile: "t"}, `tokenFile: would be sent over plaintext`},
		"credentials in plaintext":    {Endpoint{Address: "http://seq1:1", Credentials: new(byPointer)}, `credentials: would be sent over plaintext`},

		"two health targets": {Endpoint{Health: HealthTarget{GRPCPort: 1, HTTP: "http://{host}:1/"}},
			`health.http: grpcPort is set too; want one of sameConnection, grpcPort, grpcAddress, http and tcp`},
		"a health port":    {Endpoint{Health: HealthTarget{GRPCPort: 65536}}, `health.grpcPort 65536: out of range; want a number from 1 to 65535`},
		"a health address": {Endpoint{Health: HealthTarget{GRPCAddress: "{host}"}}, `health.grpcAddress "seq1": missing port; want host:port`},
		"a health URL": {Endpoint{Health: HealthTarget{HTTP: "ftp://{host}/?hunter2"}},
			`health.http "ftp://seq1/": not an http or https URL; want a URL such as "http://{host}:10004/health"`},
		"a password in the health URL": {Endpoint{Health: HealthTarget{HTTP: "http://joe:hunter2@{host}/"}},
			`health.http [hidden]: has user information`},
		"a port of the health URL": {Endpoint{Health: HealthTarget{HTTP: "http://{host}:0/x?hunter2"}}, `health.http "http://seq1:0/x": bad port "0"`},
		"a long health URL":        {Endpoint{Health: HealthTarget{HTTP: "http://{host}/" + long}}, `bytes long; want at most 2048`},
		"a scheme before TCP":      {Endpoint{Health: HealthTarget{TCP: "http://{host}:1"}}, `health.tcp "http://{host}:1": has a scheme; want host:port`},
		"a service's name":         {Endpoint{Health: HealthTarget{Service: "a\nb"}}, `health.service "a\nb": not the name of a service`},
		"a service of a page": {Endpoint{Health: HealthTarget{HTTP: "http://{host}/", Service: "x"}},
			`health.service "x": the target is not gRPC; want a gRPC target`},
		"a status without a page": {Endpoint{Health: HealthTarget{ExpectedStatus: 200}}, `health.expectedStatus 200: http is not set; want http to be set too`},
		"a status that is none": {Endpoint{Health: HealthTarget{HTTP: "http://{host}/", ExpectedStatus: 100}},
			`health.expectedStatus 100: not a final HTTP status; want a number from 200 to 599`},
		"TLS for no target":    {Endpoint{Health: HealthTarget{TLS: TLS{RootCAFile: "x"}}}, `health.tls: no target that it applies to is set`},
		"TLS for plaintext":    {Endpoint{Health: HealthTarget{HTTP: "http://{host}/", TLS: TLS{RootCAFile: "x"}}}, `health.tls: the target is http://`},
		"bad TLS for a target": {Endpoint{Health: HealthTarget{GRPCPort: 1, TLS: TLS{KeyFile: "x"}}}, `health.tls.certFile: missing`},
		"a name for no target": {Endpoint{Health: HealthTarget{ServerName: "x"}}, `health.serverName "x": no target that it applies to is set`},
		"a bad name":           {Endpoint{Health: HealthTarget{GRPCPort: 1, ServerName: "a b"}}, `health.serverName "a b": has a space`},
		"a token for no target": {Endpoint{Health: HealthTarget{TCP: "{host}:1", SendToken: true}},
			`health.sendToken: no target that it applies to is set; want grpcPort, grpcAddress or http to be set too`},
		"a token in plaintext to a target": {Endpoint{Token: secret, Health: HealthTarget{HTTP: "http://{host}/", SendToken: true}},
			`health.sendToken: the token would be sent over plaintext; want TLS there, or allowInsecureTokens`},
	} {
		t.Run(name, func(t *testing.T) {
			if c.e.Address == "" {
				c.e.Address = "https://seq1:1"
			}
			_, err := Normalize([]Endpoint{c.e})
			require.ErrorContains(t, err, "endpoints[0].")
			require.ErrorContains(t, err, c.want)
			requireGoodError(t, err)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.Less(t, len(err.Error()), 1000)
		})
	}
}

func TestGoodSettingsAreKeptAsTheyAre(t *testing.T) {
	for _, e := range []Endpoint{
		{Address: "https://a:1", TLS: TLS{RootCAFile: "ca.pem", CertFile: "c.pem", KeyFile: "k.pem"}, Token: NewSecret("x")},
		{Address: "a:1", TLS: TLS{RootCAFile: "ca.pem"}, TokenFile: "token"},
		{Address: "a:1", Credentials: new(byPointer)},
		{Address: "http://a:1", Token: NewSecret("x"), AllowInsecureTokens: true},
		{Address: "a:1", Health: HealthTarget{SameConnection: true, Service: WholeServer}},
		{Address: "http://[fe80::1%25eth0]:1", Health: HealthTarget{HTTP: "http://{host}/health", ExpectedStatus: 204}},
		{Address: "http://[fe80::1%25eth0]:1", Health: HealthTarget{TCP: "{host}:7"}},
		{Address: "https://a:1", Token: NewSecret("x"), Health: HealthTarget{GRPCPort: 7, TLS: TLS{RootCAFile: "x"}, ServerName: "b", SendToken: true}},
	} {
		list, err := Normalize([]Endpoint{e})
		require.NoError(t, err)
		requireGoodList(t, list)
		e.Name = list[0].Name
		assert.Equal(t, e, list[0])
	}
}

func TestAnEndpointWithTLSSettingsIsOneWithTLS(t *testing.T) {
	assert.Equal(t, SecurityTLS, Endpoint{Address: "a:1", TLS: TLS{RootCAFile: "x"}}.Security())
	assert.Equal(t, SecurityUnset, Endpoint{Address: "a:1"}.Security())
	assert.Equal(t, SecurityUnset, Endpoint{Address: "a", TLS: TLS{RootCAFile: "x"}}.Security())
}

func TestEndpointsAreComparedWithTheirCredentials(t *testing.T) {
	one := new(byPointer)
	e := Endpoint{Address: "a:1", Credentials: one, Token: NewSecret("x")}
	assert.True(t, e.Equal(Endpoint{Address: "a:1", Credentials: one, Token: NewSecret("x")}))
	assert.False(t, e.Equal(Endpoint{Address: "a:1", Credentials: one, Token: NewSecret("y")}))
	assert.False(t, e.Equal(Endpoint{Address: "a:1", Token: NewSecret("x")}))
	odd := Endpoint{Address: "a:1", Credentials: byValue{"a scope"}}
	assert.NotPanics(t, func() { assert.False(t, odd.Equal(Endpoint{Address: "a:1", Credentials: byValue{"a scope"}})) })
	assert.NotPanics(t, func() { assert.False(t, e.Equal(odd)) })
}

func TestAHealthTargetIsAnEndpointOfItsOwn(t *testing.T) {
	own, theirs := TLS{RootCAFile: "own"}, TLS{RootCAFile: "theirs"}
	token := NewSecret("x")
	for name, c := range map[string]struct{ e, want Endpoint }{
		"another port": {
			Endpoint{Address: "https://a:1", ServerName: "s", TLS: own, Token: token, Health: HealthTarget{GRPCPort: 2}},
			Endpoint{Address: "https://a:2", ServerName: "s", TLS: own},
		},
		"another port in plaintext": {
			Endpoint{Address: "https://a:1", TLS: own, Health: HealthTarget{GRPCAddress: "http://{host}:2"}}, Endpoint{Address: "http://a:2"},
		},
		"TLS there only": {
			Endpoint{Address: "http://a:1", Health: HealthTarget{GRPCPort: 2, TLS: theirs}}, Endpoint{Address: "https://a:2", TLS: theirs},
		},
		"another host": {
			Endpoint{Address: "https://a:1", ServerName: "s", TLS: own, Health: HealthTarget{GRPCAddress: "b:2", TLS: theirs}},
			Endpoint{Address: "https://b:2", TLS: theirs},
		},
		"the channel's security": {
			Endpoint{Address: "[fe80::1%eth0]:1", Health: HealthTarget{GRPCAddress: "{host}:2"}}, Endpoint{Address: "[fe80::1%eth0]:2"},
		},
		"a page": {
			Endpoint{Address: "http://[::1]:1", Health: HealthTarget{HTTP: "https://{host}/readyz", ServerName: "x"}},
			Endpoint{Address: "https://[::1]:443", ServerName: "x"},
		},
		"a page with the token": {
			Endpoint{Address: "https://a:1", TokenFile: "t", Health: HealthTarget{HTTP: "https://{host}:7/readyz", SendToken: true}},
			Endpoint{Address: "https://a:7", TokenFile: "t"},
		},
		"a connection": {Endpoint{Address: "https://a:1", Health: HealthTarget{TCP: "{host}:7"}}, Endpoint{Address: "a:7"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.e.Name, c.want.Name = "n", "n"
			list, err := Normalize([]Endpoint{c.e})
			require.NoError(t, err)
			got, elsewhere := list[0].HealthEndpoint()
			assert.True(t, elsewhere)
			assert.Equal(t, c.want, got)
		})
	}
	_, elsewhere := Endpoint{Address: "a:1", Health: HealthTarget{SameConnection: true}}.HealthEndpoint()
	assert.False(t, elsewhere)
	assert.Equal(t, "http://[fe80::1%25eth0]/x", Endpoint{Address: "[fe80::1%eth0]:1", Health: HealthTarget{HTTP: "http://{host}/x"}}.HealthURL())
	assert.Empty(t, Endpoint{Address: "a", Health: HealthTarget{HTTP: "http://{host}/x"}}.HealthURL())
}

// alike are credentials that secure all endpoints alike.
type alike struct {
	credentials.TransportCredentials

	protocol string
}

func (a alike) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: a.protocol}
}

func TestAListThatAsksForMoreThanTheCredentialsCanDoIsRefused(t *testing.T) {
	for want, e := range map[string]Endpoint{
		`endpoints[0].tls: the channel's credentials secure all endpoints alike`:         {Address: "https://a:1", TLS: TLS{RootCAFile: "x"}},
		`endpoints[0].tokenFile: the channel's credentials do not identify the endpoint`: {Address: "https://a:1", TokenFile: "x"},
		`endpoints[0].address "http://a:1": endpoint "a:1" asks for plaintext`:           {Address: "http://a:1"},
	} {
		list, err := New([]Endpoint{e})
		require.NoError(t, err)
		_, err = list.Build(grpcresolver.Target{}, nil, grpcresolver.BuildOptions{DialCreds: alike{protocol: "tls"}})
		require.ErrorContains(t, err, want)
		requireGoodError(t, err)
	}
}

// choosy are credentials that know single endpoints.
type choosy struct{ alike }

func (choosy) CheckEndpoint(e Endpoint) error {
	if e.TLS.RootCAFile == "bad" {
		return &configerr.Error{Field: "tls.rootCAFile", Value: `"bad"`, Problem: "empty", Want: "a certificate"}
	}
	return nil
}

func TestCredentialsThatKnowEndpointsDecide(t *testing.T) {
	list, err := New([]Endpoint{{Address: "http://a:1"}, {Address: "https://b:1", TLS: TLS{RootCAFile: "good"}}})
	require.NoError(t, err)
	_, err = list.Build(grpcresolver.Target{}, &fakeChannel{}, grpcresolver.BuildOptions{DialCreds: choosy{}})
	require.NoError(t, err)
	err = list.Update([]Endpoint{{Address: "http://a:1"}, {Address: "https://b:1", TLS: TLS{RootCAFile: "bad"}}})
	require.EqualError(t, err, `endpoints[1].tls.rootCAFile "bad": empty; want a certificate`)
	assert.Equal(t, "good", list.Endpoints()[1].TLS.RootCAFile)
}
