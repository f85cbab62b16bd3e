package k8slease_test

import (
	"context"
	"log/slog"

	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/lease/k8slease"
)

func Example() {
	config, err := rest.InClusterConfig()
	if err != nil {
		slog.Error("the cluster", "error", err)
		return
	}
	client, err := coordinationclient.NewForConfig(config)
	if err != nil {
		slog.Error("the client", "error", err)
		return
	}
	store, err := k8slease.New(k8slease.Config{Leases: client.Leases("payments")})
	if err != nil {
		slog.Error("the store", "error", err)
		return
	}
	err = lease.Run(context.Background(), lease.Config{Store: store, Name: "pink"}, func(ctx context.Context, _ lease.Lease) error {
		<-ctx.Done() // the work
		return nil
	})
	slog.Info("it has ended", "error", err)
}
