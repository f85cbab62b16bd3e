package cantonlb_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/nettest"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
)

// serveAt starts a server at an address of 127.0.0.0/8, and returns it with its port.
// It serves until the end of the test, or until it is stopped.
func serveAt(t *testing.T, address string) (_ *grpc.Server, port string) {
	t.Helper()
	lis, err := net.Listen("tcp4", address)
	require.NoError(t, err)
	s := grpc.NewServer()
	lbtest.RegisterEcho(s)
	healthpb.RegisterHealthServer(s, health.NewServer())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(lis) // it ends by Stop
	}()
	t.Cleanup(func() { s.Stop(); <-ended })
	_, port, err = net.SplitHostPort(lis.Addr().String())
	require.NoError(t, err)
	return s, port
}

// answeredFrom makes a call, and returns the IP address that it went to.
func answeredFrom(t *testing.T, client *cantonlb.Client) string {
	t.Helper()
	var p peer.Peer
	_, err := lbtest.Echo(testkit.Context(t), client, "hello", grpc.Peer(&p))
	require.NoError(t, err)
	host, _, err := net.SplitHostPort(p.Addr.String())
	require.NoError(t, err)
	return host
}

// byName returns a client of plaintext endpoints with host names.
func byName(t *testing.T, cfg cantonlb.Config, addresses ...string) *cantonlb.Client {
	t.Helper()
	for _, a := range addresses {
		host, _, _ := strings.Cut(a, ".")
		cfg.Endpoints = append(cfg.Endpoints, cantonlb.Endpoint{Name: host, Address: "http://" + a})
	}
	client, err := cantonlb.NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return client
}

func TestOneBadNameDisturbsNobody(t *testing.T) {
	dns := nettest.NewDNS(t)
	_, port := serveAt(t, "127.0.0.2:0")
	dns.Set("good.example.test", "127.0.0.2")
	client := byName(t, cantonlb.Config{DNS: dns.Resolver()}, "good.example.test:"+port, "bad.example.test:"+port)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	assert.Equal(t, "127.0.0.2", answeredFrom(t, client))
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "bad").ConnectionError != "" })
	assert.Contains(t, endpoint(s, "bad").ConnectionError, "no such host")
	assert.Empty(t, endpoint(s, "bad").Remote)

	dns.Set("bad.example.test", "127.0.0.2") // the name has an address now
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
}

func TestAnAddressOfAnotherFamilyIsTried(t *testing.T) {
	dns := nettest.NewDNS(t)
	_, port := serveAt(t, "127.0.0.2:0")
	dns.Set("a.example.test", "::1", "127.0.0.2")
	client := byName(t, cantonlb.Config{DNS: dns.Resolver()}, "a.example.test:"+port)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	assert.Equal(t, "127.0.0.2:"+port, client.Status().Endpoints[0].Remote)
}

func TestAChangedAnswerIsFollowedWhenTheConnectionIsLost(t *testing.T) {
	dns := nettest.NewDNS(t)
	old, port := serveAt(t, "127.0.0.2:0")
	serveAt(t, "127.0.0.3:"+port)
	dns.Set("a.example.test", "127.0.0.2")
	client := byName(t, cantonlb.Config{DNS: dns.Resolver()}, "a.example.test:"+port)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	assert.Equal(t, "127.0.0.2", answeredFrom(t, client))
	dns.Set("a.example.test", "127.0.0.3")
	assert.Equal(t, "127.0.0.2", answeredFrom(t, client), "a good connection stays")
	old.Stop()
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].Remote == "127.0.0.3:"+port && s.Eligible() == 1 })
	assert.Equal(t, "127.0.0.3", answeredFrom(t, client))
}

func TestAChangedAnswerIsFollowedGentlyIfNamesAreLookedUpAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: left out with -short")
	}
	dns := nettest.NewDNS(t)
	_, port := serveAt(t, "127.0.0.2:0")
	serveAt(t, "127.0.0.3:"+port)
	for _, name := range []string{"a.example.test", "b.example.test"} {
		dns.Set(name, "127.0.0.2")
	}
	client := byName(t, cantonlb.Config{DNS: dns.Resolver(), ReresolveInterval: time.Second},
		"a.example.test:"+port, "b.example.test:"+port)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
	calls := testkit.KeepCalling(t, client)
	first := client.Status().Endpoints[0].Calls.Picked

	dns.Set("a.example.test", "127.0.0.4") // where no server listens
	asked := dns.Queries("a.example.test")
	clientkit.Await(t, client, func(cantonlb.Status) bool { return dns.Queries("a.example.test") > asked+4 }) // more than one round and its dial
	assert.Equal(t, "127.0.0.2:"+port, client.Status().Endpoints[0].Remote, "it stays where it is")

	dns.Set("a.example.test", "127.0.0.3")
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].Remote == "127.0.0.3:"+port && s.Eligible() == 2 })
	assert.Equal(t, "127.0.0.2:"+port, endpoint(s, "b").Remote, "the other has not moved")
	assert.Greater(t, endpoint(s, "a").Calls.Picked, first, "the accounts go on")
	assert.Positive(t, calls())
}

// badAt starts what listens at an address and treats each connection like this, until
// the end of the test.
func badAt(t *testing.T, address string, treat func(net.Conn)) *atomic.Int32 {
	t.Helper()
	lis, err := net.Listen("tcp", address)
	require.NoError(t, err)
	accepted := new(atomic.Int32)
	var mu sync.Mutex
	var conns []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			treat(conn)
		}
	}()
	t.Cleanup(func() {
		_ = lis.Close()
		<-ended
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
	return accepted
}

func silent(net.Conn) {}

func hangsUp(conn net.Conn) { _ = conn.Close() }

func TestTheSecondAddressIsUsedIfTheFirstDoesNotSpeak(t *testing.T) {
	for name, treat := range map[string]func(net.Conn){"it is silent": silent, "it hangs up": hangsUp, "it refuses": nil} {
		t.Run(name, func(t *testing.T) {
			dns := nettest.NewDNS(t)
			_, port := serveAt(t, "127.0.0.3:0")
			accepted := new(atomic.Int32)
			if treat != nil {
				accepted = badAt(t, "127.0.0.2:"+port, treat)
			}
			dns.Set("a.example.test", "127.0.0.2", "127.0.0.3")
			client := byName(t, cantonlb.Config{DNS: dns.Resolver()}, "a.example.test:"+port)
			require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
			assert.Equal(t, "127.0.0.3", answeredFrom(t, client))
			assert.LessOrEqual(t, accepted.Load(), int32(1), "it is not asked why")
			assert.Equal(t, "127.0.0.3:"+port, client.Status().Endpoints[0].Remote)
		})
	}
}

func TestIPv4IsUsedIfIPv6DoesNotSpeak(t *testing.T) {
	dns := nettest.NewDNS(t)
	_, port := serveAt(t, "127.0.0.3:0")
	badAt(t, "[::1]:"+port, silent)
	dns.Set("a.example.test", "::1", "127.0.0.3")
	client := byName(t, cantonlb.Config{DNS: dns.Resolver()}, "a.example.test:"+port)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	assert.Equal(t, "127.0.0.3", answeredFrom(t, client))
}

// What is asked for health elsewhere has the same name, and so the same addresses.
func TestTheSecondAddressOfAHealthTargetIsUsedIfTheFirstDoesNotSpeak(t *testing.T) {
	for name, treat := range map[string]func(net.Conn){"it is silent": silent, "it hangs up": hangsUp, "it refuses": nil} {
		t.Run(name, func(t *testing.T) {
			dns := nettest.NewDNS(t)
			dns.Set("a.example.test", "127.0.0.2", "127.0.0.3")
			dns.Set("api.example.test", "127.0.0.3")
			_, port := serveAt(t, "127.0.0.3:0")
			_, healthPort := serveAt(t, "127.0.0.3:0")
			page := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			lis, err := net.Listen("tcp", "127.0.0.3:0")
			require.NoError(t, err)
			require.NoError(t, page.Listener.Close())
			page.Listener = lis
			page.Start()
			defer page.Close()
			pagePort := portOf(t, lis.Addr().String())
			if treat != nil {
				badAt(t, "127.0.0.2:"+healthPort, treat)
				badAt(t, "127.0.0.2:"+pagePort, treat)
			}
			for name, target := range map[string]cantonlb.HealthTarget{
				"gRPC": {GRPCAddress: "http://a.example.test:" + healthPort},
				"HTTP": {HTTP: "http://a.example.test:" + pagePort + "/"},
				"TCP":  {TCP: "a.example.test:" + healthPort},
			} {
				t.Run(name, func(t *testing.T) {
					client, err := cantonlb.NewClient(cantonlb.Config{DNS: dns.Resolver(), Endpoints: []cantonlb.Endpoint{
						{Name: "a", Address: "http://api.example.test:" + port, Health: target},
					}})
					require.NoError(t, err)
					defer client.Close()
					require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
					for _, e := range client.Events() {
						assert.NotEqual(t, cantonlb.StateUnhealthy, e.To, "%v", e)
					}
				})
			}
		})
	}
}

func TestANameServerThatFailsTakesNoEndpointAway(t *testing.T) {
	for name, state := range map[string]nettest.DNSState{"it fails": nettest.DNSFails, "it hangs": nettest.DNSHangs} {
		t.Run(name, func(t *testing.T) {
			dns := nettest.NewDNS(t)
			server, port := serveAt(t, "127.0.0.2:0")
			_, healthPort := serveAt(t, "127.0.0.2:0")
			dns.Set("a.example.test", "127.0.0.2")
			number, err := net.LookupPort("tcp", healthPort)
			require.NoError(t, err)
			client := byName(t, cantonlb.Config{DNS: dns.Resolver(), HealthCheck: healthcheck.Config{GRPCPort: number}}, "a.example.test:"+port)
			require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
			dns.Become(state)
			server.Stop()
			clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 0 })
			serveAt(t, "127.0.0.2:"+port)
			clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 1 })
			assert.Equal(t, "127.0.0.2", answeredFrom(t, client))
		})
	}
}

// The name server of health answers once, and the endpoint's is silent: nothing is known
// against the endpoint until the first look-up has ended.
func TestAProbeWaitsForTheFirstLookUpOfItsTarget(t *testing.T) {
	dns := nettest.NewDNS(t)
	_, port := serveAt(t, "127.0.0.2:0")
	dns.Set("a.example.test", "127.0.0.2")
	for kind, target := range map[string]cantonlb.HealthTarget{
		"gRPC": {GRPCAddress: "http://a.example.test:" + port},
		"HTTP": {HTTP: "http://a.example.test:" + port + "/"},
		"TCP":  {TCP: "a.example.test:" + port},
	} {
		t.Run(kind, func(t *testing.T) {
			dns.Become(nettest.DNSHangs)
			asked := dns.Queries("a.example.test")
			client, err := cantonlb.NewClient(cantonlb.Config{
				DNS: dns.Resolver(), HealthCheck: healthcheck.Config{Timeout: 50 * time.Millisecond},
				Endpoints: []cantonlb.Endpoint{{Name: "a", Address: "http://127.0.0.2:" + port, Health: target}},
			})
			require.NoError(t, err)
			defer client.Close()
			clientkit.Await(t, client, func(s cantonlb.Status) bool {
				return dns.Queries("a.example.test") > asked && s.Endpoints[0].Probe.Checks > 3
			})
			for _, e := range client.Events() {
				assert.NotEqual(t, cantonlb.StateUnhealthy, e.To, "%v", e)
			}
		})
	}
}

func TestPartialAnswersMoveNothing(t *testing.T) {
	dns := nettest.NewDNS(t)
	_, port := serveAt(t, "127.0.0.2:0")
	for _, ip := range []string{"127.0.0.3", "127.0.0.4"} {
		serveAt(t, ip+":"+port)
	}
	dns.Set("a.example.test", "127.0.0.2", "127.0.0.3", "127.0.0.4")
	dns.Rotate(1)
	client := byName(t, cantonlb.Config{DNS: dns.Resolver(), ReresolveInterval: time.Second}, "a.example.test:"+port)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	remote := client.Status().Endpoints[0].Remote
	asked := dns.Queries("a.example.test")
	clientkit.Await(t, client, func(cantonlb.Status) bool { return dns.Queries("a.example.test") > asked+12 })
	assert.Equal(t, remote, client.Status().Endpoints[0].Remote)
}

// The proxy resolves the endpoints' names, but has a name itself.
func TestTheSecondAddressOfAProxyIsUsedIfTheFirstDoesNotSpeak(t *testing.T) {
	for name, treat := range map[string]func(net.Conn){"it is silent": silent, "it hangs up": hangsUp} {
		t.Run(name, func(t *testing.T) {
			dns := nettest.NewDNS(t)
			dns.Set("proxy.example.test", "127.0.0.2", "127.0.0.1")
			proxy := nettest.NewProxy(t, false)
			_, port := serveAt(t, "127.0.0.3:0")
			proxy.Route("a.example.test:"+port, "127.0.0.3:"+port)
			proxied(t, proxy, "")
			u, err := url.Parse(proxy.URL())
			require.NoError(t, err)
			badAt(t, "127.0.0.2:"+u.Port(), treat)
			t.Setenv("HTTPS_PROXY", "http://proxy.example.test:"+u.Port())
			client := byName(t, cantonlb.Config{DNS: dns.Resolver()}, "a.example.test:"+port)
			require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
			dns.Become(nettest.DNSFails)
			_, err = lbtest.Echo(testkit.Context(t), client, "hello")
			require.NoError(t, err)
		})
	}
}

// proxied sets the environment up for one proxy.
func proxied(t *testing.T, p *nettest.Proxy, noProxy string) {
	t.Helper()
	for _, name := range []string{"https_proxy", "no_proxy"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTPS_PROXY", p.URL())
	t.Setenv("NO_PROXY", noProxy)
}

func TestCallsProbesAndKnocksGoThroughTheProxyThatTheEnvironmentNames(t *testing.T) {
	proxy := nettest.NewProxy(t, false)
	proxy.Demand("joe", "hush-hush")
	server, port := serveAt(t, "127.0.0.2:0")
	_, healthPort := serveAt(t, "127.0.0.2:0")
	api, node := "seq1.example.test:"+port, "seq1.example.test:"+healthPort
	proxy.Route(api, "127.0.0.2:"+port)
	proxy.Route(node, "127.0.0.2:"+healthPort)
	proxied(t, proxy, "")
	number, err := net.LookupPort("tcp", healthPort)
	require.NoError(t, err)
	client := byName(t, cantonlb.Config{
		DNS:         nettest.NewDNS(t).Resolver(), // knows no name: the proxy resolves
		HealthCheck: healthcheck.Config{GRPCPort: number},
	}, api)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
	_, err = lbtest.Echo(testkit.Context(t), client, "hello")
	require.NoError(t, err)
	assert.Equal(t, api, client.Status().Endpoints[0].Remote)
	assert.Equal(t, 1, proxy.Asked(api))
	assert.Equal(t, 1, proxy.Asked(node), "the probe's")

	server.Stop()
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return proxy.Asked(api) > 3 }) // attempts and knocks
	assert.Contains(t, s.Endpoints[0].ConnectionError, "the proxy answers 502 Bad Gateway")
	assert.NotContains(t, s.Endpoints[0].ConnectionError, "hush")
	serveAt(t, "127.0.0.2:"+port)
	clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Eligible() == 1 })
}

func TestHealthOverHTTPGoesThroughTheProxyToo(t *testing.T) {
	proxy := nettest.NewProxy(t, false)
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	_, port := serveAt(t, "127.0.0.2:0")
	proxy.Route("seq1.example.test:"+port, "127.0.0.2:"+port)
	proxy.Route("seq1.example.test:8080", page.Listener.Addr().String())
	proxied(t, proxy, "")
	client := byName(t, cantonlb.Config{
		DNS:         nettest.NewDNS(t).Resolver(),
		HealthCheck: healthcheck.Config{HTTP: "http://{host}:8080/health"},
	}, "seq1.example.test:"+port)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return s.Endpoints[0].Detail != "" })
	assert.Equal(t, "HTTP status 404", s.Endpoints[0].Detail)
}

func TestNoProxyLeavesOneEndpointOut(t *testing.T) {
	proxy := nettest.NewProxy(t, false)
	_, port := serveAt(t, "127.0.0.2:0")
	near, far := "near.example.test:"+port, "far.example.test:"+port
	proxy.Route(far, "127.0.0.2:"+port)
	proxied(t, proxy, "near.example.test")
	dns := nettest.NewDNS(t)
	dns.Set("near.example.test", "127.0.0.2")
	client := byName(t, cantonlb.Config{DNS: dns.Resolver()}, near, far)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 2))
	assert.Equal(t, 1, proxy.Asked(far))
	assert.Zero(t, proxy.Asked(near))
}

func TestTheUsersDialerComesBeforeTheProxy(t *testing.T) {
	proxy := nettest.NewProxy(t, false)
	proxied(t, proxy, "")
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho)
	client := clientkit.Connect(t, cluster, cantonlb.Config{}, 1, grpc.WithTransportCredentials(insecure.NewCredentials()))
	_, err := lbtest.Echo(testkit.Context(t), client, "hello")
	require.NoError(t, err)
	assert.Zero(t, proxy.Asked(cluster.Addrs()[0]))
}

func TestABadReresolveIntervalIsAnError(t *testing.T) {
	for d, value := range map[time.Duration]string{-1: "-1ns", time.Millisecond: "1ms", 25 * time.Hour: "25h0m0s"} {
		_, err := cantonlb.NewClient(cantonlb.Config{
			Endpoints: []cantonlb.Endpoint{{Address: "http://a:1"}}, ReresolveInterval: d,
		})
		assert.EqualError(t, err, `cantonlb: reresolveInterval "`+value+`": want a duration from 1s to 24h0m0s; none for never`)
	}
}
