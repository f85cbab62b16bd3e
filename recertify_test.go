package cantonlb_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// certified is a server that requires a client certificate for the name that accepts
// holds, in each call and each probe; "" accepts every name.
type certified struct {
	*lbtest.Cluster

	accepts atomic.Value
	dir     string
	client  *cantonlb.Client
}

func newCertified(t *testing.T) *certified {
	t.Helper()
	s := &certified{dir: t.TempDir()}
	s.accepts.Store("")
	check := func(ctx context.Context) error {
		p, _ := peer.FromContext(ctx)
		info, _ := p.AuthInfo.(credentials.TLSInfo)
		if name, _ := s.accepts.Load().(string); name != "" && info.State.PeerCertificates[0].VerifyHostname(name) != nil {
			return status.Error(codes.Unauthenticated, "the certificate has been revoked")
		}
		return nil
	}
	s.Cluster = lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithClientCerts(), lbtest.WithServerOptions(
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			if err := check(ctx); err != nil {
				return nil, err
			}
			return handle(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			if err := check(stream.Context()); err != nil {
				return err
			}
			return handle(srv, stream)
		})))
	s.write(t, s.Server(0).CA(), "client-1")
	list := deployed(s.Cluster)
	list[0].TLS = cantonlb.TLS{
		RootCAPEM: s.Server(0).CA().PEM(), CertFile: filepath.Join(s.dir, "tls.crt"), KeyFile: filepath.Join(s.dir, "tls.key"),
	}
	s.client = clientkit.Connect(t, s.Cluster, cantonlb.Config{Endpoints: list}, 1)
	return s
}

// write puts a certificate of this authority into the client's files.
func (s *certified) write(t *testing.T, ca *lbtest.CA, name string) {
	t.Helper()
	pair := ca.Issue(name)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tls.key"), []byte(pair.KeyPEM), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tls.crt"), []byte(pair.CertPEM), 0o600))
}

func TestANewClientCertificateOnDiskLeadsToAGentleNewConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCertified(t)
		stop := keepCalling(t.Context(), s.client, 50*time.Millisecond, time.Second)
		time.Sleep(time.Minute)
		assert.Equal(t, 1, s.TotalConns(0), "the same content changes nothing")
		s.write(t, s.Server(0).CA(), "client-2")
		time.Sleep(3 * time.Second)
		assert.Equal(t, 2, s.TotalConns(0))
		s.accepts.Store("client-2")
		time.Sleep(time.Minute)
		calls, errs := stop()
		assert.Empty(t, errs)
		assert.Positive(t, calls)
		assert.Equal(t, 2, s.TotalConns(0))

		stream, err := lbtest.Ticks(t.Context(), s.client, time.Second)
		require.NoError(t, err)
		s.accepts.Store("")
		s.write(t, s.Server(0).CA(), "client-3")
		time.Sleep(time.Minute)
		_, err = stream.Recv()
		require.NoError(t, err, "streams stay where they are")
		for _, e := range s.client.Events() {
			assert.NotEqual(t, report.NoneEligible, e.To)
		}
	})
}

func TestAServerThatAcceptsTheNewCertificateLaterIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCertified(t)
		s.accepts.Store("client-1")
		s.write(t, s.Server(0).CA(), "client-2")
		stop := keepCalling(t.Context(), s.client, 50*time.Millisecond, time.Second)
		time.Sleep(5 * time.Minute)
		_, errs := stop()
		assert.Empty(t, errs, "the old connection serves")
		assert.Less(t, s.TotalConns(0), 20, "and is not replaced in a tight loop")
		s.accepts.Store("client-2")
		time.Sleep(5 * time.Second)
		require.NoError(t, call(t.Context(), s.client), "with the old one denied, the new one is tried at once")

		s.write(t, lbtest.NewCA(t, "another"), "client-3")
		time.Sleep(5 * time.Minute)
		require.NoError(t, call(t.Context(), s.client))
		assert.Equal(t, 1, s.client.Status().Eligible())
	})
}

func TestAStandbyGetsItsNewCertificateToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCertified(t)
		s.SetServing(0, "", false)
		time.Sleep(time.Second)
		s.write(t, s.Server(0).CA(), "client-2")
		time.Sleep(10 * time.Second)
		assert.Equal(t, 2, s.TotalConns(0), "although it does not serve on the new connection either")
		s.accepts.Store("client-2")
		s.SetServing(0, "", true)
		time.Sleep(3 * time.Second)
		require.NoError(t, call(t.Context(), s.client))
		assert.Equal(t, 2, s.TotalConns(0))
	})
}

// A server that denies all calls answers them, and its Watch stays open.
func TestDenialsAreNoSubstituteForAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCertified(t)
		stop := keepCalling(t.Context(), s.client, 50*time.Millisecond, time.Second)
		time.Sleep(time.Second)
		s.accepts.Store("nobody")
		time.Sleep(5 * time.Second)
		stop()
		e := s.client.Status().Endpoints[0]
		assert.Equal(t, report.StateUnhealthy, e.State)
		assert.Equal(t, report.ReasonProbeDenied, e.Reason)
	})
}
