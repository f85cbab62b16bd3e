//go:build unix

package etcdlease_test

import (
	"context"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/cantonlb/cantonlb/lease/etcdlease"
	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
	"github.com/cantonlb/cantonlb/lease/store"
)

func TestMain(m *testing.M) {
	proctest.Child(openChild)
	goleak.VerifyTestMain(m)
}

func openChild(_ context.Context, address string) (store.Store, proctest.Act, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{address}, Logger: zap.NewNop()})
	if err != nil {
		return nil, nil, err
	}
	s, err := etcdlease.New(etcdlease.Config{Client: client})
	return s, nil, err
}
