package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/roots"
	"github.com/cantonlb/cantonlb/internal/transport"
	"github.com/cantonlb/cantonlb/resolver"
)

var errTrust = errors.New("--plaintext and --ca, --cert, --key or --server-name: want one or the other")

// credentials returns the credentials of servers that do not specify their own.
func (t *target) credentials() (credentials.TransportCredentials, error) {
	if t.plaintext {
		if t.ca != "" || t.cert != "" || t.key != "" || t.serverName != "" {
			return nil, errTrust
		}
		return insecure.NewCredentials(), nil
	}
	if (t.cert == "") != (t.key == "") {
		return nil, errors.New("--cert and --key: want both or neither")
	}
	first, err := t.tls()
	if err != nil {
		return nil, err
	}
	return &filed{TransportCredentials: first, now: t.tls}, nil
}

// tls returns the credentials of the files that the flags name. It refuses what programs
// refuse of the files of their endpoints.
func (t *target) tls() (credentials.TransportCredentials, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.serverName}
	e := resolver.Endpoint{Address: "https://server:1", TLS: resolver.TLS{RootCAFile: t.ca, CertFile: t.cert, KeyFile: t.key}}
	if faults := configerr.All(transport.New(nil).CheckEndpoint(e)); len(faults) > 0 {
		flag := fmt.Sprintf("--cert %q, --key %q", t.cert, t.key)
		if faults[0].Field == "tls.rootCAFile" {
			flag = fmt.Sprintf("--ca %q", t.ca)
		}
		return nil, fmt.Errorf("%s: %s; want regular files in PEM", flag, faults[0].Problem)
	}
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if settings.RootCAs, err = roots.Parse(pem); err != nil { // it has changed since
			return nil, fmt.Errorf("--ca %q: %w", t.ca, err)
		}
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, fmt.Errorf("--cert %q, --key %q: %w", t.cert, t.key, err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(settings), nil
}

// filed are credentials that read their files again for each connection, since watch may
// run for longer than a certificate is valid.
type filed struct {
	credentials.TransportCredentials // of the first content, for files that are gone or not valid now

	now func() (credentials.TransportCredentials, error)
}

// ClientHandshake implements credentials.TransportCredentials.
func (f *filed) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if now, err := f.now(); err == nil {
		return now.ClientHandshake(ctx, authority, raw)
	}
	return f.TransportCredentials.ClientHandshake(ctx, authority, raw)
}

// Clone implements credentials.TransportCredentials.
func (f *filed) Clone() credentials.TransportCredentials {
	return &filed{TransportCredentials: f.TransportCredentials.Clone(), now: f.now}
}
