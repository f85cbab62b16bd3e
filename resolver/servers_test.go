package resolver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

// servers is a network of real gRPC servers in memory, one for each address.
type servers struct {
	mu        sync.Mutex
	listeners map[string]*bufconn.Listener
	dials     map[string]int
	calls     map[string]int
	authority map[string]string // of the last call
}

func newServers(t *testing.T, addresses ...string) *servers {
	s := &servers{
		listeners: map[string]*bufconn.Listener{}, dials: map[string]int{},
		calls: map[string]int{}, authority: map[string]string{},
	}
	for _, address := range addresses {
		s.serve(t, address)
	}
	return s
}

func (s *servers) serve(t *testing.T, address string, options ...grpc.ServerOption) {
	listener := bufconn.Listen(1 << 16)
	s.mu.Lock()
	s.listeners[address] = listener
	s.mu.Unlock()
	server := grpc.NewServer(options...)
	healthpb.RegisterHealthServer(server, &answers{servers: s, address: address})
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-served })
}

func (s *servers) dial(ctx context.Context, address string) (net.Conn, error) {
	s.mu.Lock()
	s.dials[address]++
	listener := s.listeners[address]
	s.mu.Unlock()
	if listener == nil {
		return nil, fmt.Errorf("no server at %s", address)
	}
	return listener.DialContext(ctx)
}

func (s *servers) dialled(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials[address]
}

func (s *servers) called(address string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[address]
}

func (s *servers) authorityAt(address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.authority[address]
}

// answers is the service of one server.
type answers struct {
	healthpb.UnimplementedHealthServer
	servers *servers
	address string
}

func (a *answers) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	a.servers.mu.Lock()
	defer a.servers.mu.Unlock()
	a.servers.calls[a.address]++
	if v := md.Get(":authority"); len(v) == 1 {
		a.servers.authority[a.address] = v[0]
	}
	return &healthpb.HealthCheckResponse{}, nil
}

func (s *servers) connect(t *testing.T, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(s.dial),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
	}, options...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func call(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	return err
}

// callUntil makes calls until each address has received one.
func (s *servers) callUntil(t *testing.T, conn *grpc.ClientConn, addresses ...string) {
	t.Helper()
	ctx := testkit.Context(t)
	before := map[string]int{}
	for _, a := range addresses {
		before[a] = s.called(a)
	}
	for _, a := range addresses {
		for s.called(a) == before[a] {
			require.NoError(t, call(ctx, conn), "waiting for a call at %s", a)
		}
	}
}

// selfSigned returns a certificate for these names, and a pool that trusts it.
func selfSigned(t *testing.T, names ...string) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
