//go:build unix

package leases

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/etcdlease"
	"github.com/cantonlb/cantonlb/lease/k8slease"
	"github.com/cantonlb/cantonlb/lease/k8slease/k8stest"
	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/lease/store"
)

// peer is one way to have one live instance.
type peer struct {
	name  string
	store string // one of the stores
	// candidate competes until ctx ends, and acts while it holds the lease.
	candidate func(ctx context.Context, c config, j *journal) error
}

const leaseName = "pink"

// poll is how often a candidate asks that is not notified.
const poll = 200 * time.Millisecond

var peers = []peer{
	{"pglease with LISTEN", postgres, ours(openPostgres(true))},
	{"pglease by polling", postgres, ours(openPostgres(false))},
	{"session advisory lock", postgres, advisory},
	{"etcdlease", etcd, ours(openEtcd)},
	{"etcd concurrency.Election", etcd, election},
	{"k8slease", kubernetes, ours(openKubernetes)},
	{"client-go leaderelection", kubernetes, clientGo},
}

func peerNamed(name string) (p peer, ok bool) {
	for _, p := range peers {
		if p.name == name {
			return p, true
		}
	}
	return peer{}, false
}

// committer returns what commits under a lease; nil if nothing can be.
type committer func(l lease.Lease) commit

// ours is package lease with a store.
func ours(open func(ctx context.Context, c config) (store.Store, committer, error)) func(context.Context, config, *journal) error {
	return func(ctx context.Context, c config, j *journal) error {
		s, commits, err := open(ctx, c)
		if err != nil {
			return err
		}
		cfg := lease.Config{Store: s, Name: leaseName, TTL: c.TTL, Logger: slog.New(slog.DiscardHandler)}
		return lease.Run(ctx, cfg, func(ctx context.Context, l lease.Lease) error {
			j.hold(ctx, l.Valid, commits(l))
			return ctx.Err()
		})
	}
}

// openPool opens a pool of connections that pgbouncer can serve.
func openPool(ctx context.Context, c config) (*pgxpool.Pool, error) {
	pool, err := pgxpool.ParseConfig(c.Address)
	if err != nil {
		return nil, err
	}
	pool.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	if c.Retire > 0 {
		pool.MaxConnLifetime, pool.HealthCheckPeriod = c.Retire, c.Retire
	}
	return pgxpool.NewWithConfig(ctx, pool)
}

const insert = "INSERT INTO acts (term) VALUES ($1)"

func openPostgres(listen bool) func(context.Context, config) (store.Store, committer, error) {
	return func(ctx context.Context, c config) (store.Store, committer, error) {
		pool, err := openPool(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		cfg := pglease.Config{Pool: pool}
		if listen {
			cfg.Listen = c.Direct
		}
		s, err := pglease.New(cfg)
		return s, func(l lease.Lease) commit {
			return func(ctx context.Context, term time.Duration) error {
				return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, insert, int64(term)); err != nil {
						return err
					}
					return pglease.Check(ctx, tx, l.Name, l.Token)
				})
			}
		}, err
	}
}

func etcdClient(address string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop(), DialTimeout: 5 * time.Second})
}

// put puts a key of a term, if a condition holds.
func put(client *clientv3.Client, condition clientv3.Cmp) commit {
	n := 0 // of one term, whose commits come one at a time
	return func(ctx context.Context, term time.Duration) error {
		n++
		_, err := client.Txn(ctx).If(condition).
			Then(clientv3.OpPut(fmt.Sprintf("%s%d/%d", actsPrefix, int64(term), n), "")).Commit()
		return err
	}
}

func openEtcd(_ context.Context, c config) (store.Store, committer, error) {
	client, err := etcdClient(c.Address)
	if err != nil {
		return nil, nil, err
	}
	s, err := etcdlease.New(etcdlease.Config{Client: client})
	return s, func(l lease.Lease) commit { return put(client, s.Guard(l.Name, l.Token)) }, err
}

func kubernetesClient(address string, timeout time.Duration) (*coordination.CoordinationV1Client, error) {
	config := &rest.Config{Host: "http://" + address, QPS: -1, Timeout: timeout}
	config.ContentType, config.AcceptContentTypes = "application/json", "application/json"
	return coordination.NewForConfig(config)
}

func openKubernetes(_ context.Context, c config) (store.Store, committer, error) {
	client, err := kubernetesClient(c.Address, 0)
	if err != nil {
		return nil, nil, err
	}
	s, err := k8slease.New(k8slease.Config{Leases: client.Leases(k8stest.Namespace)})
	return s, func(lease.Lease) commit { return nil }, err
}
