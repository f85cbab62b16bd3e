package cantonlb_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/oauthtoken"
	"github.com/cantonlb/cantonlb/report"
)

// The channel's TLS verifies no server, so an impostor could receive the token.
func TestATokenIsNotSentOverTLSThatDoesNotVerify(t *testing.T) {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "token-of-server0"})
	for name, c := range map[string]struct {
		endpoint cantonlb.Endpoint
		sent     bool
	}{
		"a token":              {cantonlb.Endpoint{Token: cantonlb.NewSecret("t0ken")}, false},
		"a file":               {cantonlb.Endpoint{TokenFile: put(t, "token", "t0ken")}, false},
		"oauthtoken":           {cantonlb.Endpoint{Credentials: oauthtoken.New(source)}, false},
		"a token, allowed":     {cantonlb.Endpoint{Token: cantonlb.NewSecret("t0ken"), AllowInsecureTokens: true}, true},
		"oauthtoken, allowed":  {cantonlb.Endpoint{Credentials: oauthtoken.New(source), AllowInsecureTokens: true}, true},
		"none, for comparison": {cantonlb.Endpoint{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS())
			e := c.endpoint
			e.Name, e.Address = "server0", cluster.Addrs()[0]
			client, err := cantonlb.NewClient(cantonlb.Config{
				Endpoints:            []cantonlb.Endpoint{e},
				TransportCredentials: credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
			}, cluster.DialOptions()...)
			require.NoError(t, err)
			defer client.Close()
			_, err = lbtest.ServedBy(testkit.Within(t, 20*time.Second), client)
			if c.sent {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
			assert.ErrorContains(t, err, "does not verify the server")
			s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].State == cantonlb.StateUnhealthy })
			assert.Equal(t, report.ReasonCredentialsFailed, s.Endpoints[0].Reason)
			assert.Zero(t, cluster.Calls(0)+cluster.HealthCalls(0)+cluster.HealthWatches(0), "nothing was sent")
		})
	}
}
