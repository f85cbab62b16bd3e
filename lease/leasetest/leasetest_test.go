package leasetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cantonlb/cantonlb/lease/leasetest"
	"github.com/cantonlb/cantonlb/lease/store"
)

func TestTheStoreInMemoryConforms(t *testing.T) {
	leasetest.Conformance(t, func(*testing.T) store.Store { return leasetest.NewStore() })
}

func TestALinkWithoutFaultsConforms(t *testing.T) {
	leasetest.Conformance(t, func(*testing.T) store.Store { return leasetest.NewStore().Link() })
}

// plain hides what a store has beyond store.Store.
type plain struct{ store.Store }

func TestALinkToAStoreThatDoesNotTellOfChangesSaysSo(t *testing.T) {
	link := leasetest.NewLink(plain{leasetest.NewStore()})
	assert.ErrorIs(t, link.Watch(t.Context(), "x", func(*store.Record) {}), errors.ErrUnsupported)
	leasetest.Conformance(t, func(*testing.T) store.Store { return link })
}

func TestALinkThatIsCutWaitsUntilItIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := leasetest.NewStore().Link()
		link.Cut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := link.Read(ctx, "x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, link.Watch(t.Context(), "x", func(*store.Record) {}), leasetest.ErrFault)
		time.AfterFunc(time.Minute, link.Heal)
		_, err = link.Read(t.Context(), "x")
		require.NoError(t, err)
		assert.Equal(t, 2, link.Requests())
	})
}

func TestAnAnswerThatIsLostHasTakenEffect(t *testing.T) {
	s := leasetest.NewStore()
	link := s.Link()
	link.LoseAnswers(1)
	_, err := link.Acquire(t.Context(), "x", "a", time.Second, store.Record{})
	require.ErrorIs(t, err, leasetest.ErrFault)
	got, err := link.Read(t.Context(), "x")
	require.NoError(t, err)
	assert.Equal(t, "a", got.Holder)
}

func TestAFaultEndsAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := leasetest.NewStore().Link()
		time.AfterFunc(time.Second, link.Fail)
		told := 0
		require.ErrorIs(t, link.Watch(t.Context(), "x", func(*store.Record) { told++ }), leasetest.ErrFault)
		assert.Equal(t, 1, told)
		_, err := link.Read(t.Context(), "x")
		assert.ErrorIs(t, err, leasetest.ErrFault)
	})
}

func TestLatencyIsHeededAndEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := leasetest.NewStore().Link()
		link.SetLatency(time.Second)
		began := time.Now()
		_, err := link.Renew(t.Context(), "x", store.Record{Holder: "a"})
		require.ErrorIs(t, err, store.ErrConflict)
		assert.Equal(t, time.Second, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		assert.ErrorIs(t, link.Release(ctx, "x", store.Record{}), context.DeadlineExceeded)
	})
}

func TestPutReplacesARecord(t *testing.T) {
	s := leasetest.NewStore()
	s.Put("x", store.Record{Holder: "a", Token: 7})
	got, err := s.Read(t.Context(), "x")
	require.NoError(t, err)
	assert.Equal(t, uint64(7), got.Token)
	assert.NotEmpty(t, got.Version)
}
