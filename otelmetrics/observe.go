package otelmetrics

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"

	"github.com/cantonlb/cantonlb/metric"
	"github.com/cantonlb/cantonlb/report"
)

// ScopeName is the name of the instrumentation scope.
const ScopeName = "github.com/cantonlb/cantonlb/otelmetrics"

// Source is the source of the metrics: a *cantonlb.Client.
type Source interface {
	Status() report.Status
}

// Option changes how Observe works.
type Option func(*observer)

// WithMeterProvider sets the MeterProvider that makes the instruments. Default: the
// global one at the time of Observe.
func WithMeterProvider(p otelmetric.MeterProvider) Option {
	return func(o *observer) { o.provider = p }
}

// WithAttributes adds attributes to every series, such as the name of the network.
func WithAttributes(attributes ...attribute.KeyValue) Option {
	return func(o *observer) { o.attributes = append(slices.Clip(o.attributes), attributes...) }
}

// Observe registers a client to be observed at each collection, until stop is called.
// Several clients may be observed, and stop may be called more than once. Both functions
// are safe for concurrent use. It returns an error if a client with the same target is
// observed by the same MeterProvider with the same attributes, since the two would have the
// same series; otherwise the error is that of the MeterProvider.
func Observe(client Source, options ...Option) (stop func() error, err error) {
	id := identity{label: metric.Target, names: []string{client.Status().Target}, want: "a name of its own (Config.Name) for each client"}
	return register(metric.All(), id, func() ([]attribute.KeyValue, iter.Seq[sample]) {
		status := client.Status()
		return []attribute.KeyValue{attribute.String(metric.Target, status.Target)}, samples(status, time.Now())
	}, options)
}

// LeaseSource is the source of the metrics of leases: a *lease.Candidate or a
// *lease.Group.
type LeaseSource interface {
	Leases() []report.LeaseStatus
}

// ObserveLeases is like Observe, for the leases of a candidate or of a group. It returns an
// error if a lease with the name of one of them is observed by the same MeterProvider with
// the same attributes.
func ObserveLeases(leases LeaseSource, options ...Option) (stop func() error, err error) {
	id := identity{label: metric.Lease, want: "a name of its own for each lease"}
	for _, l := range leases.Leases() {
		id.names = append(id.names, l.Name)
	}
	return register(metric.Leases(), id, func() ([]attribute.KeyValue, iter.Seq[sample]) {
		return nil, leaseSamples(leases.Leases(), time.Now())
	}, options)
}

// ShardSource is the source of the metrics of a router of shards: a *shard.Router.
type ShardSource interface {
	Status() report.RouterStatus
}

// ObserveShards is like Observe, for a router of shards. Its clients are observed by Observe.
// It returns an error if a router of the same name is observed by the same MeterProvider
// with the same attributes.
func ObserveShards(router ShardSource, options ...Option) (stop func() error, err error) {
	id := identity{label: metric.Router, names: []string{router.Status().Name}, want: "a name of its own (Config.Name) for each router"}
	return register(metric.Shards(), id, func() ([]attribute.KeyValue, iter.Seq[sample]) {
		return nil, routerSamples(router.Status())
	}, options)
}

// look returns the samples of now, and the attributes that all of them have.
type look func() ([]attribute.KeyValue, iter.Seq[sample])

func register(descriptions []metric.Desc, id identity, look look, options []Option) (stop func() error, err error) {
	o := &observer{look: look, instruments: make(map[string]otelmetric.Observable)}
	for _, option := range options {
		option(o)
	}
	if o.provider == nil {
		o.provider = otel.GetMeterProvider()
	}
	if err := observed.add(o, id); err != nil {
		observed.remove(o)
		return nil, err
	}
	defer func() {
		if err != nil {
			observed.remove(o)
		}
	}()
	meter := o.provider.Meter(ScopeName)
	var all []otelmetric.Observable
	for _, d := range descriptions {
		if d.Only == metric.Recorder {
			continue
		}
		instrument, err := newInstrument(meter, d)
		if err != nil {
			return nil, fmt.Errorf("otelmetrics: %s: %w", d.Name, err)
		}
		o.instruments[d.Name] = instrument
		all = append(all, instrument)
	}
	registration, err := meter.RegisterCallback(o.observe, all...)
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	return func() error {
		observed.remove(o)
		return registration.Unregister()
	}, nil
}

func newInstrument(meter otelmetric.Meter, d metric.Desc) (otelmetric.Observable, error) {
	unit, text := otelmetric.WithUnit(d.Unit), otelmetric.WithDescription(d.Description)
	switch {
	case d.Kind == metric.Counter && d.Float:
		return meter.Float64ObservableCounter(d.Name, unit, text)
	case d.Kind == metric.Counter:
		return meter.Int64ObservableCounter(d.Name, unit, text)
	case d.Float:
		return meter.Float64ObservableGauge(d.Name, unit, text)
	default:
		return meter.Int64ObservableGauge(d.Name, unit, text)
	}
}

// observer observes one client, the leases of one source, or one router.
type observer struct {
	look        look
	provider    otelmetric.MeterProvider
	attributes  []attribute.KeyValue
	instruments map[string]otelmetric.Observable // by the metric's name
	claimed     []claim                          // guarded by the lock of observed
}

// observe is called at each collection.
func (o *observer) observe(_ context.Context, out otelmetric.Observer) error {
	common, samples := o.look()
	for s := range samples {
		attributes := append(slices.Clone(o.attributes), common...)
		for i, label := range s.metric.Labels {
			attributes = append(attributes, attribute.String(label, s.labels[i]))
		}
		set := otelmetric.WithAttributeSet(attribute.NewSet(attributes...))
		switch instrument := o.instruments[s.metric.Name].(type) {
		case otelmetric.Int64Observable:
			out.ObserveInt64(instrument, int64(s.value), set)
		case otelmetric.Float64Observable:
			out.ObserveFloat64(instrument, s.value, set)
		}
	}
	return nil
}
