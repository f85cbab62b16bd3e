package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
)

// healthService is the name under which sequencers report their health. A client
// need not set it: the role does.
const healthService = "sequencer-health-check-service"

// organisation runs one sequencer, with its own authority and token.
type organisation struct {
	name      string
	authority *authority
	// The tokens that the sequencer accepts now. The older one is for clients that
	// have not received the newer one yet.
	token, older atomic.Pointer[string]

	addr   string
	server *grpc.Server
	page   *http.Server // nil if health is served by gRPC
	files  string       // the folder with the files for its clients
	stop   []func()
}

// kind describes an organisation's sequencer.
type kind struct {
	plaintext bool // no TLS
	page      bool // serves its health over HTTP, on another port
}

// start starts an organisation's sequencer, and returns it with the endpoint for a
// client.
func start(ctx context.Context, name, folder string, k kind) (*organisation, cantonlb.Endpoint, error) {
	o := &organisation{name: name, files: filepath.Join(folder, name)}
	endpoint, err := o.start(ctx, k)
	if err != nil {
		o.close()
		return nil, cantonlb.Endpoint{}, fmt.Errorf("organisation %s: %w", name, err)
	}
	return o, endpoint, nil
}

func (o *organisation) start(ctx context.Context, k kind) (cantonlb.Endpoint, error) {
	var e cantonlb.Endpoint
	err := os.Mkdir(o.files, 0o700)
	if err != nil {
		return e, err
	}
	if o.authority, err = newAuthority(o.name); err != nil {
		return e, err
	}
	if err := o.renewToken(); err != nil {
		return e, err
	}
	certificate, err := o.authority.issue(o.name + ".example.com")
	if err != nil {
		return e, err
	}
	e = cantonlb.Endpoint{Name: o.name, TokenFile: o.path("token")}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	opts := []grpc.ServerOption{grpc.UnaryInterceptor(o.unary), grpc.StreamInterceptor(o.stream)}
	scheme := "http://"
	if k.plaintext {
		e.AllowInsecureTokens = true // anyone on the network path can read it; the program accepts that explicitly
	} else {
		scheme = "https://"
		opts = append(opts, grpc.Creds(credentials.NewTLS(config)))
		e.ServerName = o.name + ".example.com" // the name in the certificate, whatever the address
		e.TLS.RootCAFile = o.path("ca.pem")
		if err := os.WriteFile(e.TLS.RootCAFile, o.authority.pem, 0o600); err != nil {
			return e, err
		}
	}
	listener, err := listen(ctx)
	if err != nil {
		return e, err
	}
	o.addr = listener.Addr().String()
	e.Address = scheme + o.addr
	o.server = grpc.NewServer(opts...)
	o.stop = append(o.stop, o.server.Stop)
	states := health.NewServer()
	states.SetServingStatus(healthService, healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(o.server, states)
	o.serve(func() error { return o.server.Serve(listener) })
	if k.page {
		e.Health.HTTP, err = o.startPage(ctx)
	}
	return e, err
}

// startPage starts the health page, and returns its URL.
func (o *organisation) startPage(ctx context.Context) (string, error) {
	listener, err := listen(ctx)
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String()) // it is one of a listener
	o.page = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
		ReadHeaderTimeout: time.Second,
	}
	o.stop = append(o.stop, func() { _ = o.page.Close() }) // it ends in any case
	o.serve(func() error { return o.page.Serve(listener) })
	return "http://{host}:" + port + "/health", nil
}

func listen(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
}

// serve runs a server until close. A failure shows as an unhealthy endpoint.
func (o *organisation) serve(f func() error) {
	done := make(chan struct{})
	go func() { defer close(done); _ = f() }()
	o.stop = append(o.stop, func() { <-done })
}

func (o *organisation) close() {
	for _, f := range o.stop {
		f()
	}
	o.stop = nil
}

func (o *organisation) path(file string) string { return filepath.Join(o.files, file) }

// renewToken makes the sequencer accept a new token, too, and hands it out.
func (o *organisation) renewToken() error {
	older := o.token.Load()
	o.expireToken()
	o.older.Store(older)
	return o.handOut()
}

// expireToken makes the sequencer accept only a new token from now on, which its
// clients do not have yet.
func (o *organisation) expireToken() {
	token := rand.Text()
	o.token.Store(&token)
	o.older.Store(nil)
}

// handOut passes the token to the clients in a file, which is replaced atomically.
func (o *organisation) handOut() error {
	if err := os.WriteFile(o.path("token.new"), []byte(*o.token.Load()+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(o.path("token.new"), o.path("token"))
}

var errToken = status.Error(codes.Unauthenticated, "the token is not one of ours, or has expired")

func (o *organisation) authorize(ctx context.Context) error {
	for _, header := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		for _, token := range []*string{o.token.Load(), o.older.Load()} {
			if token != nil && header == "Bearer "+*token {
				return nil
			}
		}
	}
	return errToken
}

func (o *organisation) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := o.authorize(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (o *organisation) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := o.authorize(stream.Context()); err != nil {
		return err
	}
	return handler(srv, stream)
}

// all holds the organisations of the demo.
type all struct {
	list      []*organisation
	endpoints []cantonlb.Endpoint
	folder    string
}

// startAll starts three organisations: north with TLS, south with TLS and its
// health on a page, and west in plaintext.
func startAll(ctx context.Context) (*all, error) {
	folder, err := os.MkdirTemp("", "organisations")
	if err != nil {
		return nil, err
	}
	a := &all{folder: folder}
	for _, x := range []struct {
		name string
		kind kind
	}{{"north", kind{}}, {"south", kind{page: true}}, {"west", kind{plaintext: true}}} {
		o, endpoint, err := start(ctx, x.name, folder, x.kind)
		if err != nil {
			return nil, errors.Join(err, a.close())
		}
		a.list, a.endpoints = append(a.list, o), append(a.endpoints, endpoint)
	}
	return a, nil
}

func (a *all) close() error {
	for _, o := range a.list {
		o.close()
	}
	return os.RemoveAll(a.folder)
}
