package otelmetrics_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/cantonlb/cantonlb/otelmetrics"
	"github.com/cantonlb/cantonlb/report"
)

// A second client with the same name would hide the first one: an alert that no endpoint of
// the first is eligible would never fire.
func TestTwoClientsWithTheSameNameAreNotObservedAsOne(t *testing.T) {
	c := newCollector()
	with := otelmetrics.WithMeterProvider(c)
	stop, err := otelmetrics.Observe(&source{full()}, with)
	require.NoError(t, err)
	before := c.collect(t)

	_, err = otelmetrics.Observe(&source{report.Status{Target: "static:///test"}}, with)
	require.EqualError(t, err, `otelmetrics: grpc.target "static:///test" is observed already by this MeterProvider, so that the series of `+
		`the two would be one; want a name of its own (Config.Name) for each client, or WithAttributes with what tells them apart, or `+
		`stop of the first one called before`)
	assert.Len(t, c.collect(t), len(before), "the first one is observed as before")

	_, err = otelmetrics.Observe(&source{report.Status{Target: "static:///other"}}, with)
	require.NoError(t, err, "it has another name")
	_, err = otelmetrics.Observe(&source{full()}, with, otelmetrics.WithAttributes(attribute.String("network", "b")))
	require.NoError(t, err, "it has an attribute of its own")
	_, err = otelmetrics.Observe(&source{full()}, otelmetrics.WithMeterProvider(newCollector()))
	require.NoError(t, err, "it has another MeterProvider")

	require.NoError(t, stop())
	again, err := otelmetrics.Observe(&source{full()}, with)
	require.NoError(t, err, "the first one is no longer observed")
	require.NoError(t, stop(), "it may be called again")
	_, err = otelmetrics.Observe(&source{full()}, with)
	require.Error(t, err, "stop of the first one does not concern the second")
	require.NoError(t, again())
}

// The global MeterProvider is the same one whether it is named or not.
func TestTheGlobalMeterProviderIsOneProvider(t *testing.T) {
	c, before := newCollector(), otel.GetMeterProvider()
	otel.SetMeterProvider(c)
	defer otel.SetMeterProvider(before)
	stop, err := otelmetrics.Observe(&source{full()})
	require.NoError(t, err)
	_, err = otelmetrics.Observe(&source{full()}, otelmetrics.WithMeterProvider(c))
	require.Error(t, err)
	require.NoError(t, stop())
}

// incomparable is a MeterProvider that cannot be the key of a map.
type incomparable struct {
	noop.MeterProvider

	_ []int
}

// failing is a MeterProvider that registers nothing.
type failing struct{ noop.MeterProvider }

func (failing) Meter(string, ...otelmetric.MeterOption) otelmetric.Meter { return failingMeter{} }

type failingMeter struct{ noop.Meter }

func (failingMeter) RegisterCallback(otelmetric.Callback, ...otelmetric.Observable) (otelmetric.Registration, error) {
	return nil, assert.AnError
}

func TestAMeterProviderThatCannotBeComparedOrFailsClaimsNoName(t *testing.T) {
	for range 2 {
		_, err := otelmetrics.Observe(&source{full()}, otelmetrics.WithMeterProvider(incomparable{}))
		require.NoError(t, err)
		_, err = otelmetrics.Observe(&source{full()}, otelmetrics.WithMeterProvider(failing{}))
		require.ErrorIs(t, err, assert.AnError)
	}
}

// leases are those of a group.
type leases []report.LeaseStatus

func (l leases) Leases() []report.LeaseStatus { return l }

func TestTwoLeasesWithTheSameNameAreNotObservedAsOne(t *testing.T) {
	c := newCollector()
	with := otelmetrics.WithMeterProvider(c)
	_, err := otelmetrics.ObserveLeases(leases{{Name: "a"}, {Name: "b"}}, with)
	require.NoError(t, err)
	_, err = otelmetrics.ObserveLeases(leases{{Name: "c"}, {Name: "b"}}, with)
	require.ErrorContains(t, err, `cantonlb.lease "b" is observed already by this MeterProvider`)
	require.ErrorContains(t, err, `want a name of its own for each lease`)
	_, err = otelmetrics.ObserveLeases(leases{{Name: "c"}}, with)
	require.NoError(t, err, "the one that was refused has claimed nothing")
}

func TestClientsMayBeObservedFromManyGoroutines(t *testing.T) {
	with := otelmetrics.WithMeterProvider(newCollector())
	var refused sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := otelmetrics.Observe(&source{full()}, with); err != nil {
				refused.Store(i, err)
			}
		})
	}
	wg.Wait()
	n := 0
	refused.Range(func(any, any) bool { n++; return true })
	assert.Equal(t, 7, n)
}
