package etcdlease_test

import (
	"context"
	"log/slog"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/etcdlease"
)

func Example() {
	ctx := context.Background()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"etcd.example.com:2379"}})
	if err != nil {
		slog.Error("etcd", "error", err)
		return
	}
	defer func() { _ = client.Close() }()
	store, err := etcdlease.New(etcdlease.Config{Client: client})
	if err != nil {
		slog.Error("the store", "error", err)
		return
	}
	err = lease.Run(ctx, lease.Config{Store: store, Name: "pink"}, func(ctx context.Context, l lease.Lease) error {
		// A transaction that fails for a holder that has been replaced.
		_, err := client.Txn(ctx).If(store.Guard(l.Name, l.Token)).Then(clientv3.OpPut("/app/last", "7")).Commit()
		return err
	})
	if err != nil {
		slog.Error("the work", "error", err)
	}
}
