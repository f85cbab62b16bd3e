//go:build unix

package etcdlease_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/cantonlb/cantonlb/lease/etcdlease"
	"github.com/cantonlb/cantonlb/lease/etcdlease/etcdtest"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
	"github.com/cantonlb/cantonlb/lease/store"
)

const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open returns a store on a server of the test's own, which runs beside other tests:
// they mostly wait.
func open(t *testing.T, prefix string) (*etcdlease.Store, *clientv3.Client, *etcdtest.Server) {
	t.Helper()
	t.Parallel()
	server := etcdtest.Start(t)
	client := server.Client(t)
	t.Cleanup(func() { _ = client.Close() }) // it may be closed already
	s, err := etcdlease.New(etcdlease.Config{Client: client, Prefix: prefix})
	require.NoError(t, err)
	return s, client, server
}

func acquire(t *testing.T, s store.Store, name, holder string) store.Record {
	t.Helper()
	seen, err := s.Read(within(t), name)
	require.NoError(t, err)
	r, err := s.Acquire(within(t), name, holder, 10*time.Second, seen)
	require.NoError(t, err)
	return r
}

func TestTheStoreConforms(t *testing.T) {
	s, _, _ := open(t, "")
	leasetest.Conformance(t, func(*testing.T) store.Store { return s })
}

func TestAStoreNeedsAClient(t *testing.T) {
	_, err := etcdlease.New(etcdlease.Config{})
	assert.ErrorContains(t, err, "Client is nil")
}

func TestWhatOthersHaveWrittenIsRefused(t *testing.T) {
	s, client, _ := open(t, "/p/")
	_, err := client.Put(within(t), "/p/pink", "green")
	require.NoError(t, err)
	_, err = s.Read(within(t), "pink")
	require.ErrorContains(t, err, `key "/p/pink"`)
	bad := store.Record{Version: "seven"}
	_, err = s.Acquire(within(t), "pink", "a", time.Second, bad)
	require.ErrorContains(t, err, `Version "seven"`)
	_, err = s.Renew(within(t), "pink", bad)
	require.ErrorContains(t, err, `Version "seven"`)
	require.ErrorContains(t, s.Release(within(t), "pink", bad), `Version "seven"`)
}

func TestATransactionWithGuardFailsForAStaleHolder(t *testing.T) {
	s, client, _ := open(t, "")
	a := acquire(t, s, "pink", "a")
	write := func(token uint64) bool {
		answer, err := client.Txn(within(t)).If(s.Guard("pink", token)).Then(clientv3.OpPut("done", "x")).Commit()
		require.NoError(t, err)
		return answer.Succeeded
	}
	require.True(t, write(a.Token))
	require.NoError(t, s.Release(within(t), "pink", a))
	require.False(t, write(a.Token))
	b := acquire(t, s, "pink", "b")
	require.False(t, write(a.Token))
	require.True(t, write(b.Token))
}

func TestAKeyThatIsDeletedIsALostLease(t *testing.T) {
	s, client, _ := open(t, "")
	a := acquire(t, s, "pink", "a")
	_, err := client.Delete(within(t), "/cantonlb/lease/pink")
	require.NoError(t, err)
	_, err = s.Renew(within(t), "pink", a)
	require.ErrorIs(t, err, store.ErrConflict)
	leases, err := client.Leases(within(t))
	require.NoError(t, err)
	require.Len(t, leases.Leases, 1, "that of the key which is gone; it ends by itself")
}

func TestNoLeaseIsLeftOver(t *testing.T) {
	s, client, _ := open(t, "")
	free, err := s.Read(within(t), "pink")
	require.NoError(t, err)
	a := acquire(t, s, "pink", "a")
	_, err = s.Acquire(within(t), "pink", "b", 10*time.Second, free)
	require.ErrorIs(t, err, store.ErrConflict)
	a, err = s.Acquire(within(t), "pink", "a", 10*time.Second, a)
	require.NoError(t, err)
	require.NoError(t, s.Release(within(t), "pink", a))
	leases, err := client.Leases(within(t))
	require.NoError(t, err)
	assert.Empty(t, leases.Leases)
}

func TestErrorsNameWhatWasDone(t *testing.T) {
	s, client, _ := open(t, "")
	a := acquire(t, s, "pink", "a")
	require.NoError(t, client.Close())
	_, err := s.Read(within(t), "pink")
	require.ErrorContains(t, err, "etcdlease: reading")
	_, err = s.Acquire(within(t), "pink", "a", time.Second, a)
	require.ErrorContains(t, err, "etcdlease: acquiring")
	require.NotErrorIs(t, err, store.ErrConflict)
	_, err = s.Renew(within(t), "pink", a)
	require.ErrorContains(t, err, "etcdlease: renewing")
	require.ErrorContains(t, s.Release(within(t), "pink", a), "etcdlease: releasing")
	require.Error(t, s.Watch(within(t), "pink", func(*store.Record) {}))
}

func TestProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("processes: left out with -short")
	}
	t.Parallel()
	server := etcdtest.Start(t)
	setup := proctest.Setup{
		Address: server.Address(), TTL: 3 * time.Second, Granularity: 1500 * time.Millisecond,
		StopStore:  func(testing.TB) { server.Stop() },
		StartStore: func(t testing.TB) { server.Run(t) },
	}
	proctest.Faults(t, setup)
}

func TestAnAcquireThatIsNotPermittedLeavesNoLeaseBehind(t *testing.T) {
	_, admin, server := open(t, "")
	ctx := within(t)
	for _, user := range []string{"root", "reader"} {
		_, err := admin.UserAdd(ctx, user, "password")
		require.NoError(t, err)
		_, err = admin.RoleAdd(ctx, user)
		require.NoError(t, err)
		_, err = admin.UserGrantRole(ctx, user, user)
		require.NoError(t, err)
	}
	_, err := admin.RoleGrantPermission(ctx, "reader", "/", "0", clientv3.PermissionType(clientv3.PermRead))
	require.NoError(t, err)
	_, err = admin.AuthEnable(ctx)
	require.NoError(t, err)
	as := func(user string) *clientv3.Client {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{server.Address()}, Username: user, Password: "password", Logger: zap.NewNop(),
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	s, err := etcdlease.New(etcdlease.Config{Client: as("reader")})
	require.NoError(t, err)
	seen, err := s.Read(ctx, "pink")
	require.NoError(t, err)
	_, err = s.Acquire(ctx, "pink", "one", 10*time.Second, seen)
	require.ErrorIs(t, err, rpctypes.ErrPermissionDenied)
	left, err := as("root").Leases(ctx)
	require.NoError(t, err)
	assert.Empty(t, left.Leases)
}
