package oauthtoken

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// vague is an AuthInfo that does not say how secure it is.
type vague struct{}

func (vague) AuthType() string { return "vague" }

func on(info credentials.AuthInfo) context.Context {
	return credentials.NewContextWithRequestInfo(context.Background(), credentials.RequestInfo{AuthInfo: info})
}

func TestATokenGoesOnlyOverConnectionsThatAreKnownToBeSecure(t *testing.T) {
	secure := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
	for name, c := range map[string]struct {
		info credentials.AuthInfo
		sent bool
	}{
		"verified TLS":             {credentials.TLSInfo{CommonAuthInfo: secure, State: tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{nil}}}}, true},
		"TLS that does not verify": {credentials.TLSInfo{CommonAuthInfo: secure}, false},
		"TLS of an unknown level":  {credentials.TLSInfo{}, false},
		"nothing said":             {vague{}, false},
		"nothing known":            {nil, false},
		"integrity alone":          {credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.IntegrityOnly}}, false},
		"plaintext":                {credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}, false},
	} {
		md, err := New(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "SECRET"})).GetRequestMetadata(on(c.info), "https://x/y")
		if c.sent {
			require.NoError(t, err, name)
			assert.Equal(t, "Bearer SECRET", md["authorization"], name)
		} else {
			assert.Equal(t, codes.Unauthenticated, status.Code(err), name)
			assert.Nil(t, md, name)
		}
	}
	_, err := New(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "SECRET"})).GetRequestMetadata(context.Background())
	assert.Error(t, err, "no connection")
}

// An issuer that ignores its context for hours fails, is asked again, and does not
// collect goroutines.
func TestAnIssuerThatIgnoresItsContextFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var asked atomic.Int32
		c := mustNewOf(t, Issuer{Token: func(context.Context) (*oauth2.Token, error) {
			if asked.Add(1) <= mostLeft {
				<-release
			}
			return &oauth2.Token{AccessToken: "a"}, nil
		}})
		ctx := on(credentials.TLSInfo{
			CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
			State:          tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{nil}}},
		})
		for range 20 {
			waiting, cancel := context.WithTimeout(ctx, time.Minute)
			_, err := c.GetRequestMetadata(waiting)
			cancel()
			assert.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
			time.Sleep(time.Minute)
		}
		assert.EqualValues(t, mostLeft, asked.Load())
		close(release)
		time.Sleep(time.Minute)
		_, err := c.GetRequestMetadata(ctx)
		assert.NoError(t, err)
	})
}
