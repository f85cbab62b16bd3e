package cantonlb_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/configfile"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// socketPath returns a path for a socket. A test's own folder may have too long a name.
func socketPath(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "lb") //nolint:usetesting // short, for the socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

// serveSocket starts a server at a socket, "@name" in the abstract namespace, and
// returns what stops it.
func serveSocket(t *testing.T, path string, opts ...grpc.ServerOption) (stop func()) {
	t.Helper()
	lis, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := grpc.NewServer(opts...)
	lbtest.RegisterEcho(s)
	healthpb.RegisterHealthServer(s, health.NewServer())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(lis) // it ends by Stop
	}()
	stop = func() { s.Stop(); <-ended }
	t.Cleanup(stop)
	return stop
}

func works(t *testing.T, client *cantonlb.Client) {
	t.Helper()
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	_, err := lbtest.Echo(testkit.Context(t), client, "hello")
	require.NoError(t, err)
}

func TestAnEndpointCanBeAUnixSocket(t *testing.T) {
	path := socketPath(t)
	stop := serveSocket(t, path)
	addresses := []string{"unix://" + path, "unix:" + path}
	if runtime.GOOS == "linux" {
		name := fmt.Sprintf("cantonlb-%d", os.Getpid())
		serveSocket(t, "@"+name)
		addresses = append(addresses, "unix-abstract:"+name)
	}
	for _, name := range []string{"https_proxy", "no_proxy", "NO_PROXY"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // not for sockets
	for _, address := range addresses {
		for name, opts := range map[string][]grpc.DialOption{
			"without credentials": nil, "with those of the channel": {grpc.WithTransportCredentials(insecure.NewCredentials())},
		} {
			t.Run(address+" "+name, func(t *testing.T) {
				client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: address}}}, opts...)
				require.NoError(t, err)
				defer client.Close()
				works(t, client)
				assert.NotEmpty(t, client.Status().Endpoints[0].Remote)
			})
			t.Run(address+" as a target, "+name, func(t *testing.T) {
				options, err := cantonlb.DialOptions(cantonlb.Config{TransportCredentials: insecure.NewCredentials()})
				require.NoError(t, err)
				conn, err := grpc.NewClient("static:///"+address, options...)
				require.NoError(t, err)
				defer conn.Close()
				_, err = lbtest.Echo(testkit.Context(t), conn, "hello")
				require.NoError(t, err)
			})
			t.Run(address+" on a plain channel "+name, func(t *testing.T) {
				conn, err := grpc.NewClient("static:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(),
					grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"healthy_round_robin":{}}]}`))
				require.NoError(t, err)
				defer conn.Close()
				_, err = lbtest.Echo(testkit.Context(t), conn, "hello")
				require.NoError(t, err)
			})
		}
	}
	t.Run("that comes back", func(t *testing.T) {
		client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: addresses[0]}}})
		require.NoError(t, err)
		defer client.Close()
		works(t, client)
		stop()
		clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].ConnectionError != "" })
		serveSocket(t, path)
		works(t, client)
	})
}

func TestAConfigFileCanNameAUnixSocket(t *testing.T) {
	path := socketPath(t)
	serveSocket(t, path)
	name := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(name, []byte("endpoints:\n  - address: unix://"+path+"\n"), 0o600))
	client, err := configfile.NewClient(name)
	require.NoError(t, err)
	defer client.Close()
	works(t, client)
}

func TestAUnixSocketCanHaveTLSAndAHealthTarget(t *testing.T) {
	ca := lbtest.NewCA(t, "sidecar")
	certificate := func(host string) *tls.Certificate {
		pair := ca.Issue(host)
		c, err := tls.X509KeyPair([]byte(pair.CertPEM), []byte(pair.KeyPEM))
		require.NoError(t, err)
		return &c
	}
	trusted := cantonlb.TLS{RootCAPEM: ca.PEM()}
	local, named, plain, page := socketPath(t), socketPath(t), socketPath(t), socketPath(t)
	serveSocket(t, local, grpc.Creds(credentials.NewServerTLSFromCert(certificate("localhost"))))
	serveSocket(t, named, grpc.Creds(credentials.NewServerTLSFromCert(certificate("sidecar.example"))))
	serveSocket(t, plain)
	_, port := serveAt(t, "127.0.0.1:0")
	number, err := net.LookupPort("tcp", port)
	require.NoError(t, err)
	lis, err := net.Listen("unix", page)
	require.NoError(t, err)
	pages := &httptest.Server{Listener: lis, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" || r.Host != "localhost" {
			http.NotFound(w, r)
		}
	})}}
	pages.Start()
	defer pages.Close()
	for name, e := range map[string]cantonlb.Endpoint{
		"TLS":                            {Address: "unix://" + local, TLS: trusted},
		"TLS with another name":          {Address: "unix://" + named, TLS: trusted, ServerName: "sidecar.example"},
		"health at a port":               {Address: "unix://" + plain, Health: cantonlb.HealthTarget{GRPCAddress: "http://{host}:" + port}},
		"a connection to a port":         {Address: "unix://" + plain, Health: cantonlb.HealthTarget{TCP: "{host}:" + port}},
		"health at another socket":       {Address: "unix://" + plain, Health: cantonlb.HealthTarget{GRPCAddress: "unix://" + named, TLS: trusted, ServerName: "sidecar.example"}},
		"a connection to another socket": {Address: "unix://" + plain, Health: cantonlb.HealthTarget{TCP: "unix://" + page}},
	} {
		t.Run(name, func(t *testing.T) {
			e.Name = "sidecar"
			client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{e}})
			require.NoError(t, err)
			defer client.Close()
			works(t, client)
		})
	}
	t.Run("HTTP over the socket", func(t *testing.T) {
		// The socket of the page serves no gRPC, so only its health is looked at.
		client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{
			{Name: "sidecar", Address: "unix://" + page, Health: cantonlb.HealthTarget{HTTP: "http://{host}/health"}},
		}})
		require.NoError(t, err)
		defer client.Close()
		s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].Probe.Reason == report.ReasonServing })
		assert.Equal(t, "HTTP GET http://localhost/health over unix://"+page, s.Endpoints[0].Probe.Target)
	})
	t.Run("the client's health port", func(t *testing.T) {
		cfg := cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Address: "unix://" + plain}}, TransportCredentials: insecure.NewCredentials()}
		cfg.HealthCheck.GRPCPort = number
		client, err := cantonlb.NewClient(cfg)
		require.NoError(t, err)
		defer client.Close()
		works(t, client)
	})
	_, err = cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{
		{Address: "unix://" + plain, Health: cantonlb.HealthTarget{GRPCPort: number}},
		{Address: "unix://" + named, Token: cantonlb.NewSecret("hush")},
	}})
	require.ErrorContains(t, err, "endpoints[0].health.grpcPort "+port+": does not say whether the connection is to be TLS or plaintext; "+
		"want health.grpcAddress with https:// or http:// before it, or transport credentials for the channel")
	assert.ErrorContains(t, err, "would be sent over plaintext; want TLS settings of the endpoint, or allowInsecureTokens")
}

func TestTheWrongSecurityOfAUnixSocketIsRecognised(t *testing.T) {
	ca := lbtest.NewCA(t, "sidecar")
	issued := ca.Issue("localhost")
	pair, err := tls.X509KeyPair([]byte(issued.CertPEM), []byte(issued.KeyPEM))
	require.NoError(t, err)
	secure, plain, closes := socketPath(t), socketPath(t), socketPath(t)
	serveSocket(t, secure, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	serveSocket(t, plain)
	lis, err := net.Listen("unix", closes)
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for conn, err := lis.Accept(); err == nil; conn, err = lis.Accept() {
			_ = conn.Close()
		}
	}()
	defer func() { _ = lis.Close(); <-ended }()
	trusted := cantonlb.TLS{RootCAPEM: ca.PEM()}
	for name, c := range map[string]struct {
		endpoint cantonlb.Endpoint
		want     string
	}{
		"plaintext to TLS": {
			cantonlb.Endpoint{Address: "unix://" + secure}, "the server speaks TLS on this socket, and the connection is plaintext; want TLS settings of the endpoint",
		},
		"TLS to plaintext": {
			cantonlb.Endpoint{Address: "unix://" + plain, TLS: trusted},
			"the server does not speak TLS on this socket; leave out the TLS settings of the endpoint and the TLS credentials of the channel",
		},
		"neither": {cantonlb.Endpoint{Address: "unix://" + closes}, "the server closed the connection before it answered"},
	} {
		t.Run(name, func(t *testing.T) {
			c.endpoint.Name = "sidecar"
			client, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{c.endpoint}})
			require.NoError(t, err)
			defer client.Close()
			s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].State == cantonlb.StateUnreachable })
			assert.Contains(t, s.Endpoints[0].Detail, c.want)
			assert.NotContains(t, s.Endpoints[0].Detail, "://")
		})
	}
}
