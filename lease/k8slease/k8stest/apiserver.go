//go:build unix

package k8stest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
)

const (
	// APIServerKey is the environment variable that names a kube-apiserver to test with.
	APIServerKey = "CANTONLB_KUBE_APISERVER"
	// APIServerNamespace is a namespace that a kube-apiserver makes by itself.
	APIServerNamespace = "default"

	loopback = "127.0.0.1"
	patience = 2 * time.Minute
	// token is the one that an APIServer accepts, from loopback alone.
	token = "test"
)

// APIServer is a kube-apiserver with an etcd, both on loopback. It is no cluster: nothing
// else runs.
type APIServer struct {
	URL    string
	CAFile string
}

// StartAPIServer starts the kube-apiserver that the environment variable
// CANTONLB_KUBE_APISERVER names, with the etcd that is installed, until the end of the
// test. Where there is none the test is skipped.
func StartAPIServer(t testing.TB) *APIServer {
	t.Helper()
	program := os.Getenv(APIServerKey)
	if program == "" {
		t.Skip(APIServerKey + " does not name a kube-apiserver; docs/lease.md says how to build one")
	}
	etcd, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("etcd is not installed (Debian: apt-get install etcd-server)")
	}
	folder := t.TempDir()
	store := "http://" + net.JoinHostPort(loopback, strconv.Itoa(proctest.FreePort(t, loopback)))
	peer := "http://" + net.JoinHostPort(loopback, strconv.Itoa(proctest.FreePort(t, loopback)))
	run(t, exec.Command(etcd, "--name", "one", "--data-dir", filepath.Join(folder, "etcd"), //nolint:gosec,noctx // the system's; the cleanup ends it
		"--listen-client-urls", store, "--advertise-client-urls", store,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one="+peer))
	await(t, "etcd", func(ctx context.Context) error { return healthy(ctx, store+"/health") })

	tokens, key := filepath.Join(folder, "tokens.csv"), filepath.Join(folder, "accounts.pem")
	err = errors.Join(writeKey(key), os.WriteFile(tokens, []byte(token+`,test,test,"system:masters"`+"\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	port := proctest.FreePort(t, loopback)
	s := &APIServer{URL: "https://" + net.JoinHostPort(loopback, strconv.Itoa(port)), CAFile: filepath.Join(folder, "certs", "apiserver.crt")}
	run(t, exec.Command(program, "--etcd-servers", store, "--bind-address", loopback, //nolint:gosec,noctx // the user's; the cleanup ends it
		"--secure-port", fmt.Sprint(port), "--cert-dir", filepath.Dir(s.CAFile), "--token-auth-file", tokens,
		"--authorization-mode", "AlwaysAllow", "--service-cluster-ip-range", "10.0.0.0/24",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-signing-key-file", key, "--service-account-key-file", key))
	await(t, "kube-apiserver", s.ready)
	return s
}

// Config is how a client reaches the server.
func (s *APIServer) Config() *rest.Config {
	return &rest.Config{
		Host: s.URL, BearerToken: token, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAFile: s.CAFile},
	}
}

// ready returns nil once a lease can be made.
func (s *APIServer) ready(ctx context.Context) error {
	config := s.Config()
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return err // the certificate is not written yet
	}
	defer transport.CloseIdleConnections()
	client, err := coordinationclient.NewForConfigAndClient(config, transport)
	if err != nil {
		return err
	}
	_, err = client.Leases(APIServerNamespace).Create(ctx,
		&coordination.Lease{ObjectMeta: metav1.ObjectMeta{GenerateName: "ready-"}},
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// run starts a program until the end of the test, whose output is shown if it fails.
func run(t testing.TB, c *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	p, err := proctest.StartProgram(c, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.End(syscall.SIGKILL)
		if text := output.Bytes(); t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(c.Path), text[max(0, len(text)-4000):])
		}
	})
}

// await asks until the answer is nil.
func await(t testing.TB, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %v", what, err)
		}
	}
}

func healthy(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		return errors.Join(err, errors.New(answer.Status))
	}
	return err
}

// writeKey writes a new private key for service accounts, which the server wants.
func writeKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
