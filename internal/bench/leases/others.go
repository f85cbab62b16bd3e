//go:build unix

package leases

import (
	"context"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/lease/k8slease/k8stest"
)

// advisory holds an advisory lock, and asks the server every third of the TTL whether
// the session is still there. The session is a connection of its own or, where a pool
// retires connections, whichever the pool has, as in programs that take a lock by their
// pool. Commits go through a pool, and nothing checks them.
func advisory(ctx context.Context, c config, j *journal) error {
	pool, err := openPool(ctx, c)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if c.Retire > 0 {
			lockOnce(ctx, pool, pool, c.TTL, j)
		} else {
			sessionOnce(ctx, pool, c, j)
		}
		sleep.For(ctx, poll)
	}
	return ctx.Err()
}

// session is what holds an advisory lock, or is thought to.
type session interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Ping(ctx context.Context) error
}

func sessionOnce(ctx context.Context, pool *pgxpool.Pool, c config, j *journal) {
	limited, cancel := context.WithTimeout(ctx, c.TTL/3)
	defer cancel()
	conn, err := pgx.ConnectConfig(limited, pool.Config().ConnConfig)
	if err != nil {
		return // it is tried again
	}
	defer func() { //nolint:contextcheck // it is closed whatever ctx says
		limited, cancel := context.WithTimeout(context.Background(), c.TTL/3)
		defer cancel()
		_ = conn.Close(limited) // which ends the session, and so releases the lock
	}()
	lockOnce(ctx, conn, pool, c.TTL, j)
}

func lockOnce(ctx context.Context, s session, pool *pgxpool.Pool, ttl time.Duration, j *journal) {
	request := func(f func(context.Context) error) bool {
		ctx, cancel := context.WithTimeout(ctx, ttl/3)
		defer cancel()
		return f(ctx) == nil
	}
	for locked := false; !locked; {
		ok := request(func(ctx context.Context) error {
			return s.QueryRow(ctx, "SELECT pg_try_advisory_lock(42)").Scan(&locked)
		})
		if !ok || (!locked && !sleep.For(ctx, poll)) {
			return
		}
	}
	holding, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		j.hold(holding, func() bool { return holding.Err() == nil }, func(ctx context.Context, term time.Duration) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, insert, int64(term))
				return err
			})
		})
	}()
	for sleep.For(ctx, ttl/3) && request(s.Ping) {
	}
	cancel()
	<-ended
}

// election is the election of etcd's own client. Its commits compare the key of the
// election, which its documentation leaves to the program.
func election(ctx context.Context, c config, j *journal) error {
	client, err := etcdClient(c.Address)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		_ = electOnce(ctx, client, c.TTL, j) // it competes again
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
	condition := clientv3.Compare(clientv3.CreateRevision(e.Key()), "=", e.Rev())
	j.hold(campaign, func() bool { return campaign.Err() == nil }, put(client, condition))
	resign, stop := context.WithTimeout(context.WithoutCancel(ctx), ttl/3)
	defer stop()
	return e.Resign(resign)
}

// clientGo is the leader election of Kubernetes' client, with the proportions of its
// defaults, and with ReleaseOnCancel.
func clientGo(ctx context.Context, c config, j *journal) error {
	client, err := kubernetesClient(c.Address, c.TTL/3)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // the time does without it
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Name: leaseName, Namespace: k8stest.Namespace},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + ":" + time.Now().Format(time.RFC3339Nano)},
	}
	for ctx.Err() == nil {
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: c.TTL, RenewDeadline: c.TTL * 2 / 3, RetryPeriod: c.TTL * 2 / 15, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(ctx context.Context) { j.hold(ctx, func() bool { return ctx.Err() == nil }, nil) },
				OnStoppedLeading: func() {},
			},
		})
	}
	return ctx.Err()
}
