package k8slease_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordination "k8s.io/api/coordination/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/cantonlb/cantonlb/lease/k8slease"
	"github.com/cantonlb/cantonlb/lease/k8slease/k8stest"
	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/store"
)

// open returns a store on a fake API server, over HTTP and the real client.
func open(t *testing.T) (*k8slease.Store, *k8stest.Server) {
	t.Helper()
	api := k8stest.NewServer()
	server := httptest.NewServer(api)
	config := &rest.Config{Host: server.URL, QPS: -1}
	config.ContentType, config.AcceptContentTypes = "application/json", "application/json" // all that the fake speaks
	transport, err := rest.HTTPClientFor(config)
	require.NoError(t, err)
	client, err := coordinationclient.NewForConfigAndClient(config, transport)
	require.NoError(t, err)
	t.Cleanup(func() {
		api.Close()
		transport.CloseIdleConnections()
		server.Close()
	})
	s, err := k8slease.New(k8slease.Config{Leases: client.Leases(k8stest.Namespace)})
	require.NoError(t, err)
	return s, api
}

func acquire(t *testing.T, s store.Store, name, holder string) store.Record {
	t.Helper()
	seen, err := s.Read(t.Context(), name)
	require.NoError(t, err)
	r, err := s.Acquire(t.Context(), name, holder, 1500*time.Millisecond, seen)
	require.NoError(t, err)
	return r
}

func TestTheStoreConformsOnAFakeAPIServer(t *testing.T) {
	s, _ := open(t)
	leasetest.Conformance(t, func(*testing.T) store.Store { return s })
}

func TestAStoreNeedsLeases(t *testing.T) {
	_, err := k8slease.New(k8slease.Config{})
	assert.ErrorContains(t, err, "Leases is nil")
}

func TestTheObjectIsOneThatOthersCanRead(t *testing.T) {
	s, api := open(t)
	r := acquire(t, s, "pink", "a")
	assert.Equal(t, 2*time.Second, r.TTL, "whole seconds")
	object := api.Object("pink")
	assert.Equal(t, "a", *object.Spec.HolderIdentity)
	assert.Equal(t, "1", object.Annotations[k8slease.TokenKey])
	assert.Equal(t, "pink", object.Annotations[k8slease.NameKey])
	assert.Equal(t, int32(0), *object.Spec.LeaseTransitions)
	require.NoError(t, s.Release(t.Context(), "pink", r))
	assert.Empty(t, *api.Object("pink").Spec.HolderIdentity)
	acquire(t, s, "pink", "b")
	assert.Equal(t, int32(1), *api.Object("pink").Spec.LeaseTransitions)
}

func TestARenewalIsNotLostByOthersWhoChangeTheObject(t *testing.T) {
	s, api := open(t)
	r := acquire(t, s, "pink", "a")
	meddle := func(times int) {
		api.Meddle(func(l *coordination.Lease) bool {
			l.Labels = map[string]string{"seen": "yes"}
			times--
			return times > 0
		})
	}
	meddle(2)
	_, err := s.Renew(t.Context(), "pink", r)
	require.NoError(t, err)
	assert.Equal(t, "yes", api.Object("pink").Labels["seen"], "and theirs stays")
	meddle(1000)
	_, err = s.Renew(t.Context(), "pink", r)
	require.ErrorContains(t, err, "all the time")
	assert.NotErrorIs(t, err, store.ErrConflict)
}

func TestAnObjectThatIsDeletedIsALostLease(t *testing.T) {
	s, api := open(t)
	r := acquire(t, s, "pink", "a")
	told, result := make(chan struct{}, 10), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { result <- s.Watch(ctx, "pink", func(*store.Record) { told <- struct{}{} }) }()
	<-told
	<-told // the object that there is
	api.Remove("pink")
	<-told
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	_, err := s.Renew(t.Context(), "pink", r)
	require.ErrorIs(t, err, store.ErrConflict)
	assert.Equal(t, uint64(1), acquire(t, s, "pink", "b").Token, "the token is reset, as documented")
}

func TestErrorsNameWhatWasDone(t *testing.T) {
	s, _ := open(t)
	r := acquire(t, s, "pink", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Read(ctx, "pink")
	require.ErrorContains(t, err, "k8slease: reading")
	_, err = s.Acquire(ctx, "pink", "b", time.Second, r)
	require.ErrorContains(t, err, "k8slease: acquiring")
	_, err = s.Renew(ctx, "pink", r)
	require.ErrorContains(t, err, "k8slease: renewing")
	require.ErrorContains(t, s.Release(ctx, "pink", r), "k8slease: releasing")
	require.ErrorContains(t, s.Watch(ctx, "pink", func(*store.Record) {}), "k8slease: watching")
}
