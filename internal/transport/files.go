package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/roots"
	"github.com/cantonlb/cantonlb/resolver"
)

const (
	// maxFiles bounds how many files of each kind are kept.
	maxFiles = 2 * resolver.MaxEndpoints
	// lookEvery is the least time between two checks of a token's file, since calls are
	// frequent, and of any file for a status.
	lookEvery = time.Second
)

// files holds the content of the endpoints' files. Its zero value is ready to use.
type files struct {
	// mu guards the maps. No other lock is acquired while it is held.
	mu     sync.Mutex
	pools  map[string]*reloading[*x509.CertPool]
	pairs  map[keyPair]*reloading[tls.Certificate]
	tokens map[string]*reloading[string]
}

type keyPair struct{ cert, key string }

func (f *files) roots(path string) *reloading[*x509.CertPool] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return remembered(&f.pools, path, func() *reloading[*x509.CertPool] {
		return &reloading[*x509.CertPool]{
			paths: []string{path}, most: resolver.MaxPEM,
			parse: func(contents [][]byte) (*x509.CertPool, error) { return roots.Parse(contents[0]) },
		}
	})
}

func (f *files) pair(t resolver.TLS) *reloading[tls.Certificate] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return remembered(&f.pairs, keyPair{t.CertFile, t.KeyFile}, func() *reloading[tls.Certificate] {
		return &reloading[tls.Certificate]{
			paths: []string{t.CertFile, t.KeyFile}, most: resolver.MaxPEM,
			parse: func(contents [][]byte) (tls.Certificate, error) { return tls.X509KeyPair(contents[0], contents[1]) },
		}
	})
}

func (f *files) token(path string) *reloading[string] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return remembered(&f.tokens, path, func() *reloading[string] {
		return &reloading[string]{
			paths: []string{path}, most: resolver.MaxToken + 64, every: lookEvery,
			parse: func(contents [][]byte) (string, error) {
				token := strings.TrimSpace(string(contents[0]))
				cleantext.Hide(token)
				return token, tokenFault(token)
			},
		}
	})
}

// tokenFault is resolver.CheckToken with an error text for a file.
func tokenFault(token string) error {
	var bad *configerr.Error
	if errors.As(resolver.CheckToken(token), &bad) {
		return errors.New(bad.Problem)
	}
	return nil
}

// remembered returns the entry of a map, adding it if there is none. If the map is
// full, an arbitrary entry is removed.
func remembered[K comparable, V any](m *map[K]*V, key K, make_ func() *V) *V {
	if v := (*m)[key]; v != nil {
		return v
	}
	if *m == nil {
		*m = make(map[K]*V)
	}
	for k := range *m {
		if len(*m) < maxFiles {
			break
		}
		delete(*m, k)
	}
	v := make_()
	(*m)[key] = v
	return v
}

// tlsConfig returns the configuration of one handshake, from the current files.
func (f *files) tlsConfig(t resolver.TLS) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var err error
	switch {
	case t.RootCAPEM != "":
		config.RootCAs, err = roots.Parse([]byte(t.RootCAPEM))
	case t.RootCAFile != "":
		config.RootCAs, err = f.roots(t.RootCAFile).get()
	}
	if err != nil {
		return nil, err
	}
	if t.CertFile != "" {
		pair, err := f.pair(t).get()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// problem reports which of an endpoint's files have content that is not used.
func (f *files) problem(e resolver.Endpoint) error {
	f.mu.Lock()
	roots, pair, token := f.pools[e.TLS.RootCAFile], f.pairs[keyPair{e.TLS.CertFile, e.TLS.KeyFile}], f.tokens[e.TokenFile]
	f.mu.Unlock()
	return errors.Join(roots.problem(), pair.problem(), token.problem())
}
