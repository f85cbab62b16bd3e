package lbtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// trusting returns credentials that trust an authority, with these certificates of
// the client's own.
func trusting(t *testing.T, ca *lbtest.CA, own ...lbtest.KeyPair) grpc.DialOption {
	t.Helper()

	return grpc.WithTransportCredentials(credentials.NewTLS(trust(t, ca, own...)))
}

func trust(t *testing.T, ca *lbtest.CA, own ...lbtest.KeyPair) *tls.Config {
	t.Helper()

	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	require.True(t, config.RootCAs.AppendCertsFromPEM([]byte(ca.PEM())))
	for _, pair := range own {
		certificate, err := tls.X509KeyPair([]byte(pair.CertPEM), []byte(pair.KeyPEM))
		require.NoError(t, err)
		config.Certificates = append(config.Certificates, certificate)
	}

	return config
}

// try makes one call on a connection of its own.
func try(t *testing.T, c *lbtest.Cluster, i int, opts ...grpc.DialOption) error {
	t.Helper()

	conn, err := grpc.NewClient("passthrough:///"+c.Addrs()[i], append(c.DialOptions(), opts...)...)
	require.NoError(t, err)
	defer conn.Close()
	_, err = lbtest.Echo(testkit.Context(t), conn, "hello")

	return err
}

func TestServersWithTLSHaveAnAuthorityEach(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, listen, lbtest.WithTLS(0, 1))
		require.NoError(t, try(t, c, 0, trusting(t, c.Server(0).CA())))
		require.NoError(t, try(t, c, 1, trusting(t, c.Server(1).CA())))
		require.ErrorContains(t, try(t, c, 1, trusting(t, c.Server(0).CA())), "unknown authority")
		require.NoError(t, try(t, c, 2, grpc.WithTransportCredentials(insecure.NewCredentials())))
		assert.Equal(t, []string{"https://" + c.Addrs()[0], "https://" + c.Addrs()[1], "http://" + c.Addrs()[2]}, c.URLs())

		old := c.Server(0).CA()
		c.Server(0).RotateCA()
		require.ErrorContains(t, try(t, c, 0, trusting(t, old)), "unknown authority")
		require.NoError(t, try(t, c, 0, trusting(t, c.Server(0).CA())))
	})
}

func TestClientsNeedACertificateOfTheServersAuthority(t *testing.T) {
	c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithClientCerts())
	s := c.Server(0)
	require.NoError(t, try(t, c, 0, trusting(t, s.CA(), s.ClientCert())))
	require.Error(t, try(t, c, 0, trusting(t, s.CA())))
	require.Error(t, try(t, c, 0, trusting(t, s.CA(), c.Server(1).ClientCert())))
	old := s.ClientCert()
	s.RotateCA()
	require.Error(t, try(t, c, 0, trusting(t, s.CA(), old)))
	require.NoError(t, try(t, c, 0, trusting(t, s.CA(), s.ClientCert())))
}

func TestCallsNeedTheTokenOfTheirServer(t *testing.T) {
	c := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTokens())
	conn := dial(t, c, 0)
	with := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(testkit.Context(t), "authorization", "Bearer "+token)
	}
	token := c.Server(0).Token()
	assert.NotEqual(t, token, c.Server(1).Token())
	_, err := lbtest.Echo(with(token), conn, "hello")
	require.NoError(t, err)
	_, err = healthpb.NewHealthClient(conn).Check(with(token), &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	for _, ctx := range []context.Context{testkit.Context(t), with("another")} {
		_, err = lbtest.Echo(ctx, conn, "hello")
		assert.Equal(t, codes.Unauthenticated, status.Code(err))
		_, err = check(ctx, conn, "")
		assert.Equal(t, codes.Unauthenticated, status.Code(err))
		stream, err := lbtest.Ticks(ctx, conn, time.Second)
		require.NoError(t, err)
		_, err = stream.Recv()
		assert.Equal(t, codes.Unauthenticated, status.Code(err))
	}
	assert.Equal(t, []string{token, "another"}, c.Server(0).TokensSeen())
	assert.Empty(t, c.Server(1).TokensSeen())
	c.Server(0).SetToken("another")
	_, err = lbtest.Echo(with("another"), conn, "hello")
	require.NoError(t, err)
}

func TestHealthCanHavePortsOfItsOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, listen lbtest.Option) {
		c := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, listen, lbtest.WithHealthPort(), lbtest.WithHealthPage())
		s := c.Server(0)
		conn := dial(t, c, 0)
		echo(t, conn)
		_, err := check(testkit.Context(t), conn, "")
		assert.Equal(t, codes.Unimplemented, status.Code(err))

		health, err := grpc.NewClient("passthrough:///"+s.HealthAddr(), c.DialOptions()...)
		require.NoError(t, err)
		defer health.Close()
		client := &http.Client{Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, addr string) (net.Conn, error) { return c.Dialer()(ctx, addr) },
			DisableKeepAlives: true,
		}}
		page := func() int {
			resp, err := client.Get(s.HealthPageURL())
			require.NoError(t, err)
			defer resp.Body.Close()

			return resp.StatusCode
		}
		for range 2 {
			got, err := check(testkit.Context(t), health, "")
			require.NoError(t, err)
			assert.Equal(t, healthpb.HealthCheckResponse_SERVING, got)
			assert.Equal(t, http.StatusOK, page())
			s.SetServing("", false)
			got, err = check(testkit.Context(t), health, "")
			require.NoError(t, err)
			assert.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, got)
			assert.Equal(t, http.StatusServiceUnavailable, page())
			_, err = lbtest.Echo(testkit.Context(t), health, "hello")
			assert.Equal(t, codes.Unimplemented, status.Code(err))

			s.SetServing("", true)
			s.Restart()
			require.Eventually(t, func() bool {
				_, err := check(testkit.Context(t), health, "")

				return err == nil
			}, testkit.Patience, time.Millisecond)
		}
		assert.Equal(t, 1, c.TotalConns(0), "connections for health are not counted")
		assert.Equal(t, 4, s.HealthPages())
		s.Stop()
		assert.False(t, s.Up())
	})
}

func TestAHungServerHangsOnEveryPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := lbtest.NewCluster(t, 1, nil, lbtest.WithHealthPort(), lbtest.WithTLS())
		conn, err := grpc.NewClient("passthrough:///"+c.Server(0).HealthAddr(), append(c.DialOptions(), trusting(t, c.Server(0).CA()))...)
		require.NoError(t, err)
		defer conn.Close()
		_, err = check(testkit.Within(t, time.Minute), conn, "")
		require.NoError(t, err)
		c.Hang(0)
		_, err = check(testkit.Within(t, time.Minute), conn, "")
		assert.Equal(t, codes.DeadlineExceeded, status.Code(err))
		c.Resume(0)
		_, err = check(testkit.Within(t, time.Minute), conn, "")
		assert.NoError(t, err)
	})
}

func TestTheHealthPageOfAServerWithTLSHasItsCertificate(t *testing.T) {
	c := lbtest.NewCluster(t, 1, nil, lbtest.OnTCP(), lbtest.WithTLS(), lbtest.WithHealthPage())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust(t, c.Server(0).CA()), DisableKeepAlives: true}}
	resp, err := client.Get(c.Server(0).HealthPageURL())
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestAskingAServerWithoutTLSForItsAuthorityIsAMistake(t *testing.T) {
	messages := reports(t, func(tb testing.TB) {
		lbtest.NewCluster(tb, 1, nil).Server(0).CA()
	})
	assert.Equal(t, []string{"lbtest: CA: server0 has no TLS: make the cluster WithTLS"}, messages)
	assert.Equal(t, []string{"lbtest: Issue: no hosts: want at least one name"}, reports(t, func(tb testing.TB) {
		lbtest.NewCA(tb, "x").Issue()
	}))
}
