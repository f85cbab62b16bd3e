package k8slease_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	return openBehind(t, func(api http.Handler) http.Handler { return api })
}

// openBehind is open with something between the client and the API server.
func openBehind(t *testing.T, proxy func(api http.Handler) http.Handler) (*k8slease.Store, *k8stest.Server) {
	t.Helper()
	api := k8stest.NewServer()
	server := httptest.NewServer(proxy(api))
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

// label changes a label of an object, as its users do who have nothing to do with the lease.
func label(l *coordination.Lease, value int) {
	l.Labels = map[string]string{"seen": fmt.Sprint(value)}
}

func TestLabelsAreNoRenewals(t *testing.T) {
	s, api := open(t)
	seen := acquire(t, s, "pink", "a")
	for i := range 3 {
		api.Edit("pink", func(l *coordination.Lease) { label(l, i) })
		now, err := s.Read(t.Context(), "pink")
		require.NoError(t, err)
		assert.Equal(t, seen, now, "a candidate would wait for another TTL")
	}
	i := 3
	api.Meddle(func(l *coordination.Lease) bool {
		label(l, i)
		i++
		return i < 5
	})
	got, err := s.Acquire(t.Context(), "pink", "b", time.Second, seen)
	require.NoError(t, err)
	assert.Equal(t, uint64(2), got.Token)
	assert.Equal(t, "4", api.Object("pink").Labels["seen"], "and theirs stays")
}

func TestRenewalsOfAnotherProgramShow(t *testing.T) {
	s, api := open(t)
	acquire(t, s, "pink", "a")
	holder := "another one"
	api.Edit("pink", func(l *coordination.Lease) { l.Spec.HolderIdentity = &holder })
	seen, err := s.Read(t.Context(), "pink")
	require.NoError(t, err)
	api.Edit("pink", func(l *coordination.Lease) { // as client-go's leader election does
		now := metav1.NewMicroTime(l.Spec.RenewTime.Add(time.Second))
		l.Spec.RenewTime = &now
	})
	now, err := s.Read(t.Context(), "pink")
	require.NoError(t, err)
	assert.NotEqual(t, seen.Version, now.Version)
	_, err = s.Acquire(t.Context(), "pink", "b", time.Second, seen)
	assert.ErrorIs(t, err, store.ErrConflict)
}

// TestAWriteWhoseAnswerIsAnErrorIsNoConflictWithItself has the client send each write again
// that the API server has executed.
func TestAWriteWhoseAnswerIsAnErrorIsNoConflictWithItself(t *testing.T) {
	var lost []string // the methods of the writes whose answers were lost; requests come one by one
	s, _ := openBehind(t, func(api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet || len(lost) > 0 && lost[len(lost)-1] == "again" {
				api.ServeHTTP(w, r)
				return
			}
			api.ServeHTTP(httptest.NewRecorder(), r)
			lost = append(lost, r.Method, "again")
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	})
	next := func() { lost = slices.DeleteFunc(lost, func(m string) bool { return m == "again" }) }
	first := acquire(t, s, "pink", "a")
	assert.Equal(t, uint64(1), first.Token)
	next()
	second, err := s.Acquire(t.Context(), "pink", "b", time.Second, first)
	require.NoError(t, err)
	assert.Equal(t, uint64(2), second.Token)
	next()
	_, err = s.Renew(t.Context(), "pink", second)
	require.NoError(t, err)
	next()
	require.NoError(t, s.Release(t.Context(), "pink", second))
	next()
	assert.Equal(t, []string{http.MethodPost, http.MethodPut, http.MethodPut, http.MethodPut}, lost)
	now, err := s.Read(t.Context(), "pink")
	require.NoError(t, err)
	assert.True(t, now.Free())
}

func TestANamespaceThatIsMissingIsNoConflict(t *testing.T) {
	s, _ := openBehind(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,` +
				`"message":"namespaces \"payments\" not found"}`))
		})
	})
	seen, err := s.Read(t.Context(), "pink")
	require.NoError(t, err)
	_, err = s.Acquire(t.Context(), "pink", "a", time.Second, seen)
	require.ErrorContains(t, err, `namespaces "payments" not found`)
	assert.NotErrorIs(t, err, store.ErrConflict, "it would be tried again at once, and for ever")
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
