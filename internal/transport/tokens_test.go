package transport

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/resolver"
)

// level is an AuthInfo that contains only the security level.
type level credentials.SecurityLevel

func (level) AuthType() string { return "test" }

func (l level) GetCommonAuthInfo() credentials.CommonAuthInfo {
	return credentials.CommonAuthInfo{SecurityLevel: credentials.SecurityLevel(l)}
}

const secure = level(credentials.PrivacyAndIntegrity)

// fixed are credentials that always say the same.
type fixed struct {
	md  map[string]string
	err error
}

func (f *fixed) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return f.md, f.err
}
func (*fixed) RequireTransportSecurity() bool { return true }

// ask returns the metadata of a call on a connection with this AuthInfo.
func ask(t *testing.T, info credentials.AuthInfo) (map[string]string, error) {
	t.Helper()
	ctx := credentials.NewContextWithRequestInfo(t.Context(), credentials.RequestInfo{AuthInfo: info})
	return New(nil).Tokens().GetRequestMetadata(ctx, "https://seq1/x")
}

func TestACallGetsTheTokenOfTheEndpointWhoseConnectionItIsOn(t *testing.T) {
	own := &fixed{md: map[string]string{"authorization": "Basic x"}}
	for name, c := range map[string]struct {
		e    resolver.Endpoint
		want map[string]string
	}{
		"a token":        {resolver.Endpoint{Token: resolver.NewSecret("north")}, map[string]string{"authorization": "Bearer north"}},
		"a token's file": {resolver.Endpoint{TokenFile: write(t, "t", "south\r\n")}, map[string]string{"authorization": "Bearer south"}},
		"its own":        {resolver.Endpoint{Credentials: own}, own.md},
		"none":           {resolver.Endpoint{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			md, err := ask(t, &AuthInfo{inner: secure, endpoint: c.e})
			require.NoError(t, err)
			assert.Equal(t, c.want, md)
		})
	}
	md, err := ask(t, secure)
	require.NoError(t, err)
	assert.Nil(t, md, "a connection that does not tell its endpoint")
	md, err = New(nil).Tokens().GetRequestMetadata(t.Context())
	require.NoError(t, err)
	assert.Nil(t, md, "no connection at all")
	assert.False(t, New(nil).Tokens().RequireTransportSecurity())
}

func TestATokenGoesOnlyWhereItIsKnownToBeSafe(t *testing.T) {
	e := resolver.Endpoint{Name: "north", Token: resolver.NewSecret("hunter2")}
	for name, inner := range map[string]credentials.AuthInfo{
		"plaintext":                   level(credentials.NoSecurity),
		"not encrypted":               level(credentials.IntegrityOnly),
		"not known":                   level(credentials.InvalidSecurityLevel),
		"not known in no way":         bare{},
		"nothing":                     nil,
		"TLS that verifies no server": credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}},
	} {
		t.Run(name, func(t *testing.T) {
			md, err := ask(t, &AuthInfo{inner: inner, endpoint: e})
			assert.Nil(t, md)
			assert.Equal(t, codes.Unauthenticated, status.Code(err))
			require.ErrorContains(t, err, `endpoint "north": its token is not sent`)
			assert.NotContains(t, err.Error(), "hunter2")

			allowed := e
			allowed.AllowInsecureTokens = true
			md, err = ask(t, &AuthInfo{inner: inner, endpoint: allowed})
			require.NoError(t, err)
			assert.NotEmpty(t, md)
		})
	}
}

func TestACallWithoutTheTokenThatItShouldHaveFails(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code codes.Code
	}{
		"any error":  {errors.New("the issuer is away"), codes.Unavailable},
		"a status":   {status.Error(codes.PermissionDenied, "the issuer is away"), codes.PermissionDenied},
		"a deadline": {context.DeadlineExceeded, codes.DeadlineExceeded},
		"given up":   {context.Canceled, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			md, err := ask(t, &AuthInfo{inner: secure, endpoint: resolver.Endpoint{Name: "n", Credentials: &fixed{err: c.err}}})
			assert.Nil(t, md)
			assert.Equal(t, c.code, status.Code(err))
			assert.ErrorContains(t, err, `endpoint "n": no token: `)
		})
	}
	_, err := ask(t, &AuthInfo{inner: secure, endpoint: resolver.Endpoint{Name: "n", TokenFile: "/nowhere/token"}})
	require.EqualError(t, err, `rpc error: code = Unavailable desc = endpoint "n": no token: no such file or directory`)
}

// gRPC's error of such a header is the same for the credentials of the channel.
func TestAHeaderThatCannotBeSentIsAnErrorOfTheEndpointsCredentials(t *testing.T) {
	for _, md := range []map[string]string{{"authorization": "Bearer x\n"}, {"x!y": "1"}, {"": "1"}, {":authority": "a"}, {"x": "é"}} {
		_, err := ask(t, &AuthInfo{inner: secure, endpoint: resolver.Endpoint{Name: "seq1", Credentials: &fixed{md: md}}})
		var own *TokenError
		require.ErrorAs(t, err, &own, "%q", md)
		assert.Equal(t, codes.Internal, own.GRPCStatus().Code())
		assert.Contains(t, err.Error(), `endpoint "seq1"`)
		assert.NotContains(t, err.Error(), "Bearer")
	}
	md := map[string]string{"X-Trace.id_1": "a ~", "x-bin": "\x00\n"}
	got, err := ask(t, &AuthInfo{inner: secure, endpoint: resolver.Endpoint{Credentials: &fixed{md: md}}})
	require.NoError(t, err)
	assert.Equal(t, md, got)
}
