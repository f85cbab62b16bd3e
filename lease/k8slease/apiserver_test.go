//go:build unix

package k8slease_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/cantonlb/cantonlb/lease/k8slease"
	"github.com/cantonlb/cantonlb/lease/k8slease/k8stest"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/leasetest/proctest"
	"github.com/cantonlb/cantonlb/lease/store"
)

// onAPIServer returns a store on a kube-apiserver, and the client that it uses.
func onAPIServer(t *testing.T, config *rest.Config) (*k8slease.Store, coordinationclient.LeaseInterface) {
	t.Helper()
	transport, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	t.Cleanup(transport.CloseIdleConnections)
	client, err := coordinationclient.NewForConfigAndClient(config, transport)
	require.NoError(t, err)
	leases := client.Leases(k8stest.APIServerNamespace)
	s, err := k8slease.New(k8slease.Config{Leases: leases})
	require.NoError(t, err)
	return s, leases
}

// TestWithAKubeAPIServer is skipped unless CANTONLB_KUBE_APISERVER names one.
func TestWithAKubeAPIServer(t *testing.T) {
	server := k8stest.StartAPIServer(t)
	t.Run("the store conforms", func(t *testing.T) {
		s, _ := onAPIServer(t, server.Config())
		leasetest.Conformance(t, func(*testing.T) store.Store { return s })
	})
	t.Run("the store conforms in Protobuf", func(t *testing.T) {
		config := server.Config()
		config.ContentType, config.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf"
		s, _ := onAPIServer(t, config)
		leasetest.Conformance(t, func(*testing.T) store.Store { return s })
	})
	t.Run("the object is one that others can read", func(t *testing.T) {
		s, leases := onAPIServer(t, server.Config())
		r := acquire(t, s, "pink", "a")
		object, err := leases.Get(t.Context(), "pink", metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, "a", *object.Spec.HolderIdentity)
		assert.Equal(t, "1", object.Annotations[k8slease.TokenKey])
		require.NoError(t, s.Release(t.Context(), "pink", r))
		object, err = leases.Get(t.Context(), "pink", metav1.GetOptions{})
		require.NoError(t, err)
		assert.Empty(t, *object.Spec.HolderIdentity)
		assert.Equal(t, uint64(2), acquire(t, s, "pink", "b").Token)
	})
	t.Run("an object that is deleted is a lost lease", func(t *testing.T) {
		s, leases := onAPIServer(t, server.Config())
		r := acquire(t, s, "green", "a")
		told, result := make(chan struct{}, 10), make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { result <- s.Watch(ctx, "green", func(*store.Record) { told <- struct{}{} }) }()
		<-told
		<-told // the object that there is
		require.NoError(t, leases.Delete(t.Context(), "green", metav1.DeleteOptions{}))
		<-told
		cancel()
		require.ErrorIs(t, <-result, context.Canceled)
		_, err := s.Renew(t.Context(), "green", r)
		require.ErrorIs(t, err, store.ErrConflict)
		assert.Equal(t, uint64(1), acquire(t, s, "green", "b").Token, "the token is reset, as documented")
	})
	t.Run("processes", func(t *testing.T) {
		proctest.Faults(t, proctest.Setup{
			Address: server.URL + " " + server.CAFile, TTL: 3 * time.Second, Granularity: time.Second,
		})
	})
}

// openChild opens the store of a candidate.
func openChild(_ context.Context, address string) (store.Store, proctest.Act, error) {
	url, file, _ := strings.Cut(address, " ")
	client, err := coordinationclient.NewForConfig((&k8stest.APIServer{URL: url, CAFile: file}).Config())
	if err != nil {
		return nil, nil, err
	}
	s, err := k8slease.New(k8slease.Config{Leases: client.Leases(k8stest.APIServerNamespace)})
	return s, nil, err
}
