//go:build unix

package leases

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/cantonlb/cantonlb/internal/sleep"
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
	candidate func(ctx context.Context, address string, ttl time.Duration, j *journal) error
}

const leaseName = "pink"

// poll is how often a candidate asks that is not notified.
const poll = 200 * time.Millisecond

var peers = []peer{
	{"cantonlb, PostgreSQL, LISTEN", postgres, ours(openPostgres(true))},
	{"cantonlb, PostgreSQL, polling", postgres, ours(openPostgres(false))},
	{"session advisory lock", postgres, advisory},
	{"cantonlb, etcd", etcd, ours(openEtcd)},
	{"etcd concurrency.Election", etcd, election},
	{"cantonlb, Kubernetes", kubernetes, ours(openKubernetes)},
	{"client-go leaderelection", kubernetes, clientGo},
}

func peerNamed(name string) peer {
	for _, p := range peers {
		if p.name == name {
			return p
		}
	}
	return peer{candidate: func(context.Context, string, time.Duration, *journal) error {
		return errors.New("no such peer: " + name)
	}}
}

// isEnd reports whether a candidate has ended because it was asked to.
func isEnd(err error) bool { return errors.Is(err, context.Canceled) }

// ours is package lease with a store.
func ours(open func(ctx context.Context, address string) (store.Store, error)) func(context.Context, string, time.Duration, *journal) error {
	return func(ctx context.Context, address string, ttl time.Duration, j *journal) error {
		s, err := open(ctx, address)
		if err != nil {
			return err
		}
		cfg := lease.Config{Store: s, Name: leaseName, TTL: ttl, Logger: slog.New(slog.DiscardHandler)}
		return lease.Run(ctx, cfg, func(ctx context.Context, l lease.Lease) error {
			j.hold(ctx, l.Valid)
			return ctx.Err()
		})
	}
}

func openPostgres(listen bool) func(context.Context, string) (store.Store, error) {
	return func(ctx context.Context, address string) (store.Store, error) {
		pool, err := pgxpool.New(ctx, address)
		if err != nil {
			return nil, err
		}
		cfg := pglease.Config{Pool: pool}
		if listen {
			cfg.Listen = address
		}
		return pglease.New(cfg)
	}
}

func etcdClient(address string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop(), DialTimeout: 5 * time.Second})
}

func openEtcd(_ context.Context, address string) (store.Store, error) {
	client, err := etcdClient(address)
	if err != nil {
		return nil, err
	}
	return etcdlease.New(etcdlease.Config{Client: client})
}

func kubernetesClient(address string, timeout time.Duration) (*coordination.CoordinationV1Client, error) {
	config := &rest.Config{Host: "http://" + address, QPS: -1, Timeout: timeout}
	config.ContentType, config.AcceptContentTypes = "application/json", "application/json"
	return coordination.NewForConfig(config)
}

func openKubernetes(_ context.Context, address string) (store.Store, error) {
	client, err := kubernetesClient(address, 0)
	if err != nil {
		return nil, err
	}
	return k8slease.New(k8slease.Config{Leases: client.Leases(k8stest.Namespace)})
}

// advisory holds an advisory lock of a session of its own, and asks the server every
// third of the TTL whether the session is still there.
func advisory(ctx context.Context, address string, ttl time.Duration, j *journal) error {
	for ctx.Err() == nil {
		_ = lockOnce(ctx, address, ttl, j) // it competes again
		sleep.For(ctx, poll)
	}
	return ctx.Err()
}

func lockOnce(ctx context.Context, address string, ttl time.Duration, j *journal) error {
	request := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, ttl/3)
		defer cancel()
		return f(ctx)
	}
	var conn *pgx.Conn
	err := request(func(ctx context.Context) (err error) {
		conn, err = pgx.Connect(ctx, address)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // which ends the session, and so releases the lock
	for locked := false; !locked; {
		err := request(func(ctx context.Context) error {
			return conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(42)").Scan(&locked)
		})
		if err != nil {
			return err
		}
		if !locked && !sleep.For(ctx, poll) {
			return ctx.Err()
		}
	}
	holding, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		j.hold(holding, func() bool { return holding.Err() == nil })
	}()
	for sleep.For(ctx, ttl/3) && request(conn.Ping) == nil {
	}
	cancel()
	<-ended
	return nil
}

// election is the election of etcd's own client.
func election(ctx context.Context, address string, ttl time.Duration, j *journal) error {
	client, err := etcdClient(address)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		_ = electOnce(ctx, client, ttl, j) // it competes again
		sleep.For(ctx, poll)
	}
	return ctx.Err()
}

func electOnce(ctx context.Context, client *clientv3.Client, ttl time.Duration, j *journal) error {
	session, err := concurrency.NewSession(client, concurrency.WithTTL(int(ttl/time.Second)), concurrency.WithContext(ctx))
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	e := concurrency.NewElection(session, "/"+leaseName)
	campaign, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-session.Done():
			cancel()
		case <-campaign.Done():
		}
	}()
	if err := e.Campaign(campaign, "candidate"); err != nil {
		return err
	}
	j.hold(campaign, func() bool { return campaign.Err() == nil })
	resign, stop := context.WithTimeout(context.WithoutCancel(ctx), ttl/3)
	defer stop()
	return e.Resign(resign)
}

// clientGo is the leader election of Kubernetes' client, with the proportions of its
// defaults, and with ReleaseOnCancel.
func clientGo(ctx context.Context, address string, ttl time.Duration, j *journal) error {
	client, err := kubernetesClient(address, ttl/3)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // the process's number does without it
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Name: leaseName, Namespace: k8stest.Namespace},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + ":" + time.Now().Format(time.RFC3339Nano)},
	}
	for ctx.Err() == nil {
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: ttl, RenewDeadline: ttl * 2 / 3, RetryPeriod: ttl * 2 / 15, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) { j.hold(ctx, func() bool { return ctx.Err() == nil }) },
				OnStoppedLeading: func() {},
			},
		})
	}
	return ctx.Err()
}
