package cantonlb_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/testkit"
	"github.com/cantonlb/cantonlb/internal/testkit/clientkit"
	"github.com/cantonlb/cantonlb/lbtest"
	"github.com/cantonlb/cantonlb/report"
)

// deployed returns the servers of a cluster as endpoints with their settings: the
// authority to trust, the token to send, and the health target.
func deployed(c *lbtest.Cluster) []cantonlb.Endpoint {
	var list []cantonlb.Endpoint
	for i, name := range c.Names() {
		s := c.Server(i)
		e := cantonlb.Endpoint{Name: name, Address: s.URL(), Token: secret(s.Token())}
		if s.HasTLS() {
			e.TLS.RootCAPEM = s.CA().PEM()
		} else {
			e.AllowInsecureTokens = s.Token() != ""
		}
		list = append(list, e)
	}
	return list
}

// put writes a file and returns its path. A relative path is in a folder of the test.
// The file is replaced as a whole, so that no reader sees half of it.
func put(t *testing.T, path, content string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), path)
	}
	require.NoError(t, os.WriteFile(path+".new", []byte(content), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	return path
}

func TestOneListMixesAuthoritiesAndPlaintext(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithTLS(0, 1))
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: deployed(cluster)}, 3)
	assert.Equal(t, map[string]int{"server0": 3, "server1": 3, "server2": 3}, testkit.Spread(t, client, 9))
}

func TestAnEndpointWithTheWrongAuthorityIsOutAndTheOthersGoOn(t *testing.T) {
	cluster := lbtest.NewCluster(t, 3, lbtest.RegisterEcho, lbtest.WithTLS())
	list := deployed(cluster)
	list[1].TLS.RootCAPEM = list[0].TLS.RootCAPEM
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 2)
	assert.Equal(t, []string{"server0", "server2"}, slices.Sorted(maps.Keys(testkit.Spread(t, client, 10))))
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "server1").ConnectionError != "" })
	bad := endpoint(s, "server1")
	assert.Equal(t, cantonlb.StateUnreachable, bad.State)
	assert.Equal(t, report.ReasonHandshakeFailed, bad.Reason)
	assert.Equal(t, "handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority; "+
		"its authority is not among the roots: see tls.rootCAFile", bad.ConnectionError)
	assert.False(t, bad.Eligible)
	var told []string
	for _, e := range client.Events() {
		if e.Endpoint == "server1" && e.Reason != report.ReasonNone {
			told = append(told, e.String())
		}
	}
	require.Len(t, told, 1, "also of one that was never connected, and once")
	assert.Contains(t, told[0], `endpoint "server1": connecting -> unreachable (handshake_failed: `+bad.ConnectionError)

	list[1].TLS.RootCAPEM = cluster.Server(1).CA().PEM()
	require.NoError(t, client.Update(list))
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 3))
}

func TestClientCertificatesAreTheEndpointsOwn(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithClientCerts())
	list := deployed(cluster)
	for i := range list {
		pair := cluster.Server(i).ClientCert()
		list[i].TLS.CertFile, list[i].TLS.KeyFile = put(t, "cert.pem", pair.CertPEM), put(t, "key.pem", pair.KeyPEM)
	}
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 2)
	assert.Equal(t, map[string]int{"server0": 2, "server1": 2}, testkit.Spread(t, client, 4))

	list[1].TLS.CertFile, list[1].TLS.KeyFile = list[0].TLS.CertFile, list[0].TLS.KeyFile
	other := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 1)
	s := clientkit.Await(t, other, func(s cantonlb.Status) bool { return endpoint(s, "server1").ConnectionError != "" })
	assert.Contains(t, endpoint(s, "server1").ConnectionError, "remote error: tls: ", "the server's alert")
	assert.Equal(t, report.ReasonHandshakeFailed, endpoint(s, "server1").Reason)
}

func TestTwoEndpointsOfOneAddressWithDifferentServerNamesStayTwo(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.OnTCP(), lbtest.WithTLS())
	one := deployed(cluster)[0]
	one.ServerName = "localhost"
	two := one
	two.Name, two.ServerName = "two", "server0.lbtest"
	bad := one
	bad.Name, bad.ServerName = "bad", "elsewhere.example"
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: []cantonlb.Endpoint{one, two, bad}}, 2)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "bad").ConnectionError != "" })
	assert.Contains(t, endpoint(s, "bad").ConnectionError, "not elsewhere.example")
	testkit.Spread(t, client, 4)
	s = clientkit.Await(t, client, func(s cantonlb.Status) bool { return endpoint(s, "two").Calls.Picked >= 2 })
	assert.EqualValues(t, 2, endpoint(s, "server0").Calls.Picked)
	cluster.WaitConns(0, 2, testkit.Patience)
}

func TestTheEndpointOfACallAndItsHandshakeAreToBeHad(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS())
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: deployed(cluster)}, 1)
	var p peer.Peer
	_, err := lbtest.Echo(testkit.Context(t), client, "x", grpc.Peer(&p))
	require.NoError(t, err)
	name, ok := cantonlb.EndpointOf(&p)
	assert.True(t, ok)
	assert.Equal(t, "server0", name)
	info, ok := cantonlb.AuthInfoOf(&p).(credentials.TLSInfo)
	require.True(t, ok)
	assert.Equal(t, "server0.lbtest", info.State.PeerCertificates[0].Subject.CommonName)

	_, ok = cantonlb.EndpointOf(nil)
	assert.False(t, ok)
	assert.Nil(t, cantonlb.AuthInfoOf(nil))
	own := credentials.TLSInfo{}
	assert.Equal(t, own, cantonlb.AuthInfoOf(&peer.Peer{AuthInfo: own}))
}

func TestAChannelWhoseCredentialsKnowNoEndpointRefusesAListThatNeedsThem(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS(), lbtest.WithTokens())
	list := deployed(cluster)
	_, err := cantonlb.NewClient(cantonlb.Config{Endpoints: list}, grpc.WithCredentialsBundle(insecure.NewBundle()))
	require.ErrorContains(t, err, `endpoints[0].tls: the channel's credentials secure all endpoints alike`)

	opts, err := cantonlb.DialOptions(cantonlb.Config{Endpoints: list})
	require.NoError(t, err)
	opts = append(opts, cluster.DialOptions()...)
	conn, err := grpc.NewClient("static:///all", append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	require.NoError(t, err)
	defer conn.Close()
	_, err = lbtest.Echo(testkit.Context(t), conn, "x")
	require.ErrorContains(t, err, "secure all endpoints alike")
	assert.Zero(t, cluster.TotalConns(0))

	plain, err := grpc.NewClient("static:///all", opts...)
	require.NoError(t, err)
	defer plain.Close()
	_, err = lbtest.Echo(testkit.Context(t), plain, "x", grpc.WaitForReady(true))
	require.NoError(t, err, "a plain channel with the credentials of DialOptions")
}

func TestTheChannelsCredentialsAreForThoseThatSayNothing(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS())
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(cluster.Server(0).CA().PEM())))
	list := deployed(cluster)
	list[0].Address, list[0].TLS = cluster.Addrs()[0], cantonlb.TLS{}
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 2,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})))
	assert.Equal(t, map[string]int{"server0": 2, "server1": 2}, testkit.Spread(t, client, 4))
}

func TestABundleSecuresAListThatAsksForNothing(t *testing.T) {
	cluster := lbtest.NewCluster(t, 2, lbtest.RegisterEcho, lbtest.WithTLS(0))
	client, err := cantonlb.NewClient(
		cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Name: "server1", Address: cluster.Addrs()[1]}}},
		append(cluster.DialOptions(), grpc.WithCredentialsBundle(insecure.NewBundle()))...)
	require.NoError(t, err)
	defer client.Close()
	assert.Equal(t, map[string]int{"server1": 2}, testkit.Spread(t, client, 2))
}

func TestABadFileIsAnErrorAndABadChangeOfItANote(t *testing.T) {
	cluster := lbtest.NewCluster(t, 1, lbtest.RegisterEcho, lbtest.WithTLS())
	list := deployed(cluster)
	list[0].TLS = cantonlb.TLS{RootCAFile: put(t, "ca.pem", "nothing")}
	_, err := cantonlb.NewClient(cantonlb.Config{Endpoints: list}, cluster.DialOptions()...)
	require.EqualError(t, err, `cantonlb: endpoints[0].tls.rootCAFile "`+list[0].TLS.RootCAFile+
		`": no certificate in it; want a file with at least one certificate in PEM`)

	put(t, list[0].TLS.RootCAFile, cluster.Server(0).CA().PEM())
	client := clientkit.Connect(t, cluster, cantonlb.Config{Endpoints: list}, 1)
	assert.Empty(t, client.Status().Notes)
	put(t, list[0].TLS.RootCAFile, "nothing")
	cluster.Disconnect(0)
	s := clientkit.Await(t, client, func(s cantonlb.Status) bool { return len(s.Notes) > 0 })
	assert.Equal(t, []string{`endpoint "server0": the previous content of its files stays in effect: ` +
		list[0].TLS.RootCAFile + `: no certificate in it`}, s.Notes)
	require.NoError(t, client.WaitHealthy(testkit.Context(t), 1))
}

// call makes one call and returns its error.
func call(ctx context.Context, client *cantonlb.Client) error {
	_, err := lbtest.Echo(ctx, client, "x")
	return err
}
