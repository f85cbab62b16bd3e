package lbtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxSeen bounds how many tokens a server remembers.
const maxSeen = 1000

// identity is a server's certificate and the authority that made it.
type identity struct {
	ca          *CA
	certificate tls.Certificate
	clients     *x509.CertPool
}

func (s *Server) newIdentity() *identity {
	s.t.Helper()

	ca := NewCA(s.t, "authority of "+s.name)
	hosts := []string{s.name + ".lbtest", "localhost", "127.0.0.1"}
	if host, _, err := net.SplitHostPort(s.addrs[callPort]); err == nil && !slices.Contains(hosts, host) {
		hosts = append(hosts, host)
	}
	pair := ca.Issue(hosts...)
	certificate, err := tls.X509KeyPair([]byte(pair.CertPEM), []byte(pair.KeyPEM))
	if err != nil {
		s.t.Fatalf("lbtest: %s: %v", s.name, err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca.certificate)

	return &identity{ca: ca, certificate: certificate, clients: clients}
}

// tlsConfig is that of a port that speaks this protocol. It follows RotateCA.
func (s *Server) tlsConfig(protocol string) *tls.Config {
	current := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		id := s.identity.Load()
		config := &tls.Config{
			Certificates: []tls.Certificate{id.certificate}, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12,
		}
		if s.set.clientCerts && protocol == "h2" {
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, id.clients
		}

		return config, nil
	}

	return &tls.Config{GetConfigForClient: current, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12}
}

func (s *Server) scheme() string {
	if s.HasTLS() {
		return "https://"
	}

	return "http://"
}

// HasTLS reports whether the server was made [WithTLS].
func (s *Server) HasTLS() bool { return s.identity.Load() != nil }

// URL returns the server's address as "https://host:port", or "http://host:port"
// without TLS. It never changes.
func (s *Server) URL() string { return s.scheme() + s.Addr() }

// CA returns the authority that issued the server's certificate. A server without
// TLS ends the test by t.Fatalf.
func (s *Server) CA() *CA { s.t.Helper(); return s.mustIdentity("CA").ca }

// ClientCert returns a client certificate of the server's own authority. A server
// without TLS ends the test by t.Fatalf.
func (s *Server) ClientCert() KeyPair {
	s.t.Helper()

	return s.mustIdentity("ClientCert").ca.Issue("client of " + s.name)
}

// RotateCA replaces the server's authority and certificate by new ones, and makes
// it require client certificates of the new authority. This applies to new
// connections; existing ones stay. A server without TLS ends the test by t.Fatalf.
func (s *Server) RotateCA() {
	s.t.Helper()
	s.mustIdentity("RotateCA")
	s.identity.Store(s.newIdentity())
}

func (s *Server) mustIdentity(method string) *identity {
	s.t.Helper()

	id := s.identity.Load()
	if id == nil {
		s.t.Fatalf("lbtest: %s: %s has no TLS: make the cluster WithTLS", method, s.name)
	}

	return id
}

// Token returns the token that calls must carry, or "" if they need none. It is a
// random one after [WithTokens], or that of SetToken.
func (s *Server) Token() string { return read(s, func(s *Server) string { return s.token }) }

// SetToken changes the token that calls must carry as "authorization: Bearer
// <token>". After SetToken(""), they need none.
func (s *Server) SetToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// TokensSeen returns the distinct tokens that calls have carried, valid or not, on
// any port and over all restarts: the first 1000, in order of arrival.
func (s *Server) TokensSeen() []string {
	return read(s, func(s *Server) []string { return slices.Clone(s.seen) })
}

// sawToken records the token of an authorization header and returns it.
func (s *Server) sawToken(authorization string) string {
	token := strings.TrimPrefix(authorization, "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	if token != "" && len(s.seen) < maxSeen && !slices.Contains(s.seen, token) {
		s.seen = append(s.seen, token)
	}

	return token
}

// authorize checks the token of a call.
func (s *Server) authorize(ctx context.Context) error {
	has := ""
	for _, value := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		has = s.sawToken(value)
	}
	switch want := s.Token(); {
	case want == "" || has == want:
		return nil
	case has == "":
		return status.Error(codes.Unauthenticated, "lbtest: no token")
	default:
		return status.Error(codes.Unauthenticated, "lbtest: wrong token")
	}
}
