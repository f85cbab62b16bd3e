package oauthtoken

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/lbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issuer is a source that a test can stop and fail.
type issuer struct {
	asked atomic.Int64
	gate  chan struct{} // nil: open
	say   func() (*oauth2.Token, error)
}

func (i *issuer) Token() (*oauth2.Token, error) {
	i.asked.Add(1)
	if i.gate != nil {
		<-i.gate
	}
	return i.say()
}

func lasting(text string, d time.Duration) func() (*oauth2.Token, error) {
	return func() (*oauth2.Token, error) {
		return &oauth2.Token{AccessToken: text, Expiry: time.Now().Add(d)}, nil
	}
}

// level is an AuthInfo that only reports how secure the connection is.
type level struct{ credentials.CommonAuthInfo }

func (level) AuthType() string { return "test" }

// get requests the token of a call on a secure connection.
func get(ctx context.Context, c credentials.PerRPCCredentials) (string, error) {
	info := level{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}
	md, err := c.GetRequestMetadata(credentials.NewContextWithRequestInfo(ctx, credentials.RequestInfo{AuthInfo: info}))
	return md["authorization"], err
}

func TestATokenIsUsedUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{say: lasting("hunter2", time.Minute)}
		c := New(i)
		assert.Zero(t, i.asked.Load())
		for range 10 {
			header, err := get(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, "Bearer hunter2", header)
		}
		assert.EqualValues(t, 1, i.asked.Load())
		time.Sleep(41 * time.Second)
		_, err := get(t.Context(), c)
		require.NoError(t, err)
		assert.EqualValues(t, 1, i.asked.Load())
		time.Sleep(8 * time.Second) // at 70 % to 80 % of its life it is replaced
		_, err = get(t.Context(), c)
		require.NoError(t, err)
		synctest.Wait()
		assert.EqualValues(t, 2, i.asked.Load())
	})
}

func TestCallsWaitForAHungIssuerOnlyAsLongAsTheyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{gate: make(chan struct{}), say: lasting("hunter2", time.Minute)}
		c := New(i)
		failed := make(chan error, 10)
		for range cap(failed) {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := get(ctx, c)
				failed <- err
			}()
		}
		for range cap(failed) {
			require.ErrorIs(t, <-failed, context.DeadlineExceeded)
		}
		assert.EqualValues(t, 1, i.asked.Load(), "one question at a time")
		close(i.gate)
		header, err := get(t.Context(), c)
		require.NoError(t, err)
		assert.Equal(t, "Bearer hunter2", header)
		assert.EqualValues(t, 1, i.asked.Load())
	})
}

func TestOnAPlainChannelACallThatIsCalledOffSaysSo(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS())
	s := cluster.Server(0)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(s.CA().PEM())))
	i := &issuer{gate: make(chan struct{}), say: lasting("hunter2", time.Minute)}
	defer close(i.gate)
	channel, err := grpc.NewClient("passthrough:///"+s.Addr(), append(cluster.DialOptions(), grpc.WithPerRPCCredentials(New(i)),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})))...)
	require.NoError(t, err)
	defer channel.Close()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := lbtest.Echo(ctx, channel, "x")
		failed <- err
	}()
	require.Eventually(t, func() bool { return i.asked.Load() == 1 }, 20*time.Second, time.Millisecond)
	cancel()
	assert.Equal(t, codes.Canceled, status.Code(<-failed), "and not UNAUTHENTICATED")
}

func TestAFailureCountsForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{say: func() (*oauth2.Token, error) { return nil, errors.New("away") }}
		c := New(i)
		for range 10 {
			_, err := get(t.Context(), c)
			require.EqualError(t, err, "away")
		}
		assert.EqualValues(t, 1, i.asked.Load())
		time.Sleep(failureHolds)
		i.say = lasting("hunter2", time.Minute)
		_, err := get(t.Context(), c)
		require.NoError(t, err)
	})
}

func TestErrorsHoldNoSecret(t *testing.T) {
	for want, say := range map[string]func() (*oauth2.Token, error){
		`the issuer refuses: HTTP status 401, "invalid_client"`: func() (*oauth2.Token, error) {
			return nil, &oauth2.RetrieveError{
				Response: &http.Response{StatusCode: http.StatusUnauthorized}, Body: []byte("hunter2"),
				ErrorCode: "invalid_client", ErrorDescription: "hunter2",
			}
		},
		"the issuer refuses: no status": func() (*oauth2.Token, error) { return nil, &oauth2.RetrieveError{Body: []byte("hunter2")} },
		"the issuer cannot be asked: refused": func() (*oauth2.Token, error) {
			return nil, &url.Error{Op: "Post", URL: "https://issuer/?secret=hunter2", Err: errors.New("refused")}
		},
		"empty or has expired": func() (*oauth2.Token, error) { return new(oauth2.Token), nil },
		"has a space":          func() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "hunter2 hunter2"}, nil },
		"a type that cannot be sent: has a character that is not allowed in a header": func() (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: "hunter2", TokenType: "hunter2\n"}, nil
		},
		"a type that cannot be sent: is ": func() (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: "hunter2", TokenType: strings.Repeat("x", 1<<20)}, nil
		},
	} {
		_, err := get(t.Context(), New(&issuer{say: say}))
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestATokenGoesOnlyOverASecureConnection(t *testing.T) {
	i := &issuer{say: lasting("hunter2", time.Minute)}
	info := level{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}
	for _, ctx := range []context.Context{
		t.Context(), credentials.NewContextWithRequestInfo(t.Context(), credentials.RequestInfo{AuthInfo: info}),
	} {
		_, err := New(i).GetRequestMetadata(ctx)
		require.ErrorContains(t, err, "the token is not sent")
	}
	assert.True(t, New(i).RequireTransportSecurity())
	assert.Zero(t, i.asked.Load())
}

func TestAnEndpointHasTheTokenOfItsOwnIssuer(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithTokens())
	var list []cantonlb.Endpoint
	for i, name := range cluster.Names() {
		s := cluster.Server(i)
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"` + s.Token() + `","token_type":"bearer","expires_in":3600}`))
		}))
		t.Cleanup(page.Close)
		client := page.Client()
		client.Timeout = time.Minute
		t.Cleanup(client.CloseIdleConnections)
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
		config := clientcredentials.Config{ClientID: "me", ClientSecret: "hunter2", TokenURL: page.URL}
		list = append(list, cantonlb.Endpoint{
			Name: name, Address: s.URL(), TLS: cantonlb.TLS{RootCAPEM: s.CA().PEM()}, Credentials: New(config.TokenSource(ctx)),
		})
	}
	client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: list}, cluster.DialOptions()...)
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, client.WaitHealthy(ctx, 2))
	for range 4 {
		_, err := lbtest.Echo(ctx, client, "x")
		require.NoError(t, err)
	}
	for i := range 2 {
		assert.Equal(t, []string{cluster.Server(i).Token()}, cluster.Server(i).TokensSeen())
	}
}
