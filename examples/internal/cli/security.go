package cli

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/internal/roots"
)

// Security holds the flags that say how the servers are trusted.
type Security struct {
	plaintext bool
	ca        string
}

// AddTo adds the flags.
func (s *Security) AddTo(flags *flag.FlagSet) {
	flags.BoolVar(&s.plaintext, "plaintext", false, "connect without TLS, to addresses that do not begin with http:// or https://")
	flags.StringVar(&s.ca, "ca", "", "PEM `file` of the certificates to trust, in place of the system's")
}

// DialOptions returns the transport credentials, if the flags specify any. Without
// them the client follows http:// and https:// in the addresses.
func (s *Security) DialOptions() ([]grpc.DialOption, error) {
	switch {
	case s.plaintext && s.ca != "":
		return nil, errors.New("-plaintext and -ca: want one or the other")
	case s.plaintext:
		return []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, nil
	case s.ca == "":
		return nil, nil
	}
	pem, err := os.ReadFile(s.ca)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	pool, err := roots.Parse(pem)
	if err != nil {
		return nil, fmt.Errorf("-ca %q: %w; want a file of certificates in PEM", s.ca, err)
	}
	tlsConfig := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(tlsConfig))}, nil
}
