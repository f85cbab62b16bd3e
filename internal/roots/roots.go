// Package roots reads the certificates of authorities.
//
// # Why
//
// Parsers of PEM skip what they do not understand: crypto/x509 returns a pool without the
// certificate that a mistake has damaged, and connections to the servers of that authority
// fail later. Wherever certificates are given, as a file or as text, a part that cannot be
// read has to be a fault at once, and of all of them the same.
//
// # Defaults
//
// There are none. The package holds no state.
package roots

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// begin is how each block of PEM begins.
const begin = "-----BEGIN"

// Parse returns a pool of the certificates in a text. Unlike x509's own parser, it refuses
// a text with a block that is not a certificate, or that cannot be read: a partly written
// file looks like that. The error names the block, and holds nothing of its content.
func Parse(text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	n := 0
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		n++
		if bytes.Count(text[:len(text)-len(rest)], []byte(begin)) > 1 { // it was skipped
			return nil, fmt.Errorf("block %d cannot be read", n)
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d is a %.40q, not a CERTIFICATE", n, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("block %d: %w", n, err)
		}
		pool.AddCert(certificate)
		text = rest
	}
	switch {
	case bytes.Contains(text, []byte("-----END")):
		return nil, fmt.Errorf("block %d cannot be read", n+1)
	case bytes.Contains(text, []byte(begin)):
		return nil, fmt.Errorf("block %d has no end", n+1)
	case n == 0:
		return nil, errors.New("no certificate in it")
	}
	return pool, nil
}
