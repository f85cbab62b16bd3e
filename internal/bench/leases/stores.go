//go:build unix

package leases

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cantonlb/cantonlb/lease/etcdlease/etcdtest"
	"github.com/cantonlb/cantonlb/lease/k8slease/k8stest"
	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/lease/pglease/pgtest"
)

// The stores.
const (
	postgres   = "PostgreSQL"
	etcd       = "etcd"
	kubernetes = "Kubernetes, fake"
)

// server is a store that runs.
type server interface {
	// link returns a link to the store, and the address to give to a candidate behind it.
	link() (*link, string, error)
	// stop stops the store, and start starts it again. ok is false if that is not
	// possible.
	stop() (ok bool)
	start()
}

// startStore starts a store until the end of t.
func startStore(t testing.TB, name string) (server, error) {
	switch name {
	case postgres:
		s := &postgresServer{t: t, Server: pgtest.Start(t)}
		return s, s.prepare(t.Context())
	case etcd:
		return &etcdServer{t: t, Server: etcdtest.Start(t)}, nil
	default:
		api := k8stest.NewServer()
		http := httptest.NewServer(api)
		t.Cleanup(func() {
			api.Close()
			http.CloseClientConnections()
			http.Close()
		})
		return kubernetesServer{http.Listener.Addr().String()}, nil
	}
}

type postgresServer struct {
	t testing.TB
	*pgtest.Server
}

const socket = ".s.PGSQL.5432"

func (s *postgresServer) folder() (folder string) {
	_, _ = fmt.Sscanf(s.DSN(), "host=%s", &folder) // it begins with that
	return folder
}

func (s *postgresServer) prepare(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, s.DSN())
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := pglease.New(pglease.Config{Pool: pool})
	if err != nil {
		return err
	}
	return store.CreateTables(ctx)
}

func (s *postgresServer) link() (*link, string, error) {
	folder, err := os.MkdirTemp(s.folder(), "l") // short, for the socket
	if err != nil {
		return nil, "", err
	}
	l, err := newLink(filepath.Join(folder, socket), "unix", filepath.Join(s.folder(), socket))
	return l, fmt.Sprintf("host=%s user=postgres dbname=postgres sslmode=disable", folder), err
}

func (s *postgresServer) stop() bool {
	s.Stop()
	return true
}

func (s *postgresServer) start() { s.Run(s.t) }

type etcdServer struct {
	t testing.TB
	*etcdtest.Server
}

func (s *etcdServer) link() (*link, string, error) { return linkTo(s.Address()) }

func (s *etcdServer) stop() bool {
	s.Stop()
	return true
}

func (s *etcdServer) start() { s.Run(s.t) }

type kubernetesServer struct{ address string }

func (s kubernetesServer) link() (*link, string, error) { return linkTo(s.address) }

func (kubernetesServer) stop() bool { return false }

func (kubernetesServer) start() {}

func linkTo(address string) (*link, string, error) {
	l, err := newLink("127.0.0.1:0", "tcp", address)
	if err != nil {
		return nil, "", err
	}
	return l, l.listener.Addr().String(), nil
}

// kit is the testing.TB with which the stores are started.
type kit struct {
	testing.TB // nil; what the stores call is defined below

	ctx      context.Context //nolint:containedctx // as testing.T has one
	cleanups []func()
	err      error
}

// errMissing is the error of a store that is not installed.
var errMissing = errors.New("not installed")

// within runs f with a kit, ends what f has started, and returns its failure.
func within(ctx context.Context, f func(testing.TB) error) error {
	k := &kit{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done) // Fatal and Skip end the goroutine
		if err := f(k); err != nil {
			k.err = err
		}
	}()
	<-done
	for _, f := range slices.Backward(k.cleanups) {
		f()
	}
	return k.err
}

// Helper and the others implement testing.TB.
func (*kit) Helper() {}

func (k *kit) Cleanup(f func())          { k.cleanups = append(k.cleanups, f) }
func (k *kit) Context() context.Context  { return k.ctx }
func (k *kit) Failed() bool              { return k.err != nil }
func (*kit) Logf(string, ...any)         {}
func (k *kit) Skip(why ...any)           { k.fail(fmt.Errorf("%w: %s", errMissing, fmt.Sprint(why...))) }
func (k *kit) Fatal(why ...any)          { k.fail(errors.New(fmt.Sprint(why...))) }
func (k *kit) Fatalf(f string, a ...any) { k.fail(fmt.Errorf(f, a...)) }

func (k *kit) fail(err error) {
	k.err = err
	runtime.Goexit()
}

func (k *kit) TempDir() string {
	dir, err := os.MkdirTemp("", "leases-")
	if err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// patience is how long what must happen is waited for.
const patience = 60 * time.Second
