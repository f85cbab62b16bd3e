//go:build unix

package leases

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/cantonlb/cantonlb/lease/etcdlease/etcdtest"
	"github.com/cantonlb/cantonlb/lease/k8slease/k8stest"
	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
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
	// addresses returns where candidates reach the store, and where directly.
	addresses() (address, direct string)
	// stop stops the store, and start starts it again.
	stop()
	start()
	// commits returns what was committed; ok is false if the store has no transactions.
	commits(ctx context.Context) (list []committed, ok bool, err error)
}

// startStore starts a store at an address of this machine, until the end of t.
func startStore(t testing.TB, name, host string, f fault) (server, error) {
	switch name {
	case postgres:
		s := &postgresServer{t: t, Server: pgtest.StartOn(t, host, "track_commit_timestamp=on")}
		s.address = s.DSN()
		if f.pooler {
			s.address = s.Pgbouncer(t)
		}
		return s, s.prepare(t.Context())
	case etcd:
		return &etcdServer{t: t, Server: etcdtest.StartOn(t, host)}, nil
	default:
		s := &kubernetesServer{api: k8stest.NewServer(), address: fmt.Sprintf("%s:%d", host, proctest.FreePort(t, host)), t: t}
		s.start()
		t.Cleanup(func() {
			s.stop()
			s.api.Close()
		})
		return s, nil
	}
}

type postgresServer struct {
	t       testing.TB
	address string
	*pgtest.Server
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
	_, err = pool.Exec(ctx, "CREATE TABLE acts (term bigint NOT NULL)")
	return errors.Join(err, store.CreateTables(ctx))
}

func (s *postgresServer) addresses() (address, direct string) { return s.address, s.DSN() }

func (s *postgresServer) stop()  { s.Stop() }
func (s *postgresServer) start() { s.Run(s.t) }

func (s *postgresServer) commits(ctx context.Context) (list []committed, ok bool, err error) {
	pool, err := pgxpool.New(ctx, s.DSN())
	if err != nil {
		return nil, true, err
	}
	defer pool.Close()
	rows, err := pool.Query(ctx, "SELECT term, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM acts")
	if err != nil {
		return nil, true, err
	}
	defer rows.Close()
	for rows.Next() {
		var c committed
		if err := rows.Scan(&c.term, &c.order); err != nil {
			return nil, true, err
		}
		list = append(list, c)
	}
	return list, true, rows.Err()
}

type etcdServer struct {
	t testing.TB
	*etcdtest.Server
}

func (s *etcdServer) addresses() (address, direct string) { return s.Address(), s.Address() }

func (s *etcdServer) stop()  { s.Stop() }
func (s *etcdServer) start() { s.Run(s.t) }

// actsPrefix is what the keys begin with that candidates put in etcd.
const actsPrefix = "acts/"

func (s *etcdServer) commits(ctx context.Context) (list []committed, ok bool, err error) {
	client := s.Client(s.t)
	defer func() { _ = client.Close() }() // it has answered
	answer, err := client.Get(ctx, actsPrefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, true, err
	}
	for _, kv := range answer.Kvs {
		c := committed{order: kv.GetModRevision()}
		if _, err := fmt.Sscanf(strings.TrimPrefix(string(kv.GetKey()), actsPrefix), "%d/", &c.term); err != nil {
			return nil, true, err
		}
		list = append(list, c)
	}
	return list, true, nil
}

// kubernetesServer keeps its objects while it is stopped, as a cluster does in etcd.
type kubernetesServer struct {
	t       testing.TB
	api     *k8stest.Server
	address string
	http    *http.Server
	ended   chan struct{}
}

func (s *kubernetesServer) addresses() (address, direct string) { return s.address, s.address }

func (s *kubernetesServer) stop() {
	if s.http != nil {
		_ = s.http.Close() // its connections end at once
		<-s.ended
	}
	s.http = nil
}

func (s *kubernetesServer) start() {
	listener, err := net.Listen("tcp", s.address) //nolint:noctx // it does not wait
	if err != nil {
		s.t.Fatal(err)
	}
	s.http, s.ended = &http.Server{Handler: s.api, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	go func(server *http.Server, ended chan struct{}) {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}(s.http, s.ended)
}

func (*kubernetesServer) commits(context.Context) (list []committed, ok bool, err error) {
	return nil, false, nil
}
