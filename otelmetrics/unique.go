package otelmetrics

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
)

// observed are the series of all that is observed. Two sources with the same series would
// hide each other: of two values for one series OpenTelemetry keeps the last one, or adds
// them up.
var observed = claims{of: make(map[claim]*observer)}

// claim stands for the series with these attributes of one MeterProvider.
type claim struct {
	provider   otelmetric.MeterProvider // nil stands for the global one
	attributes attribute.Distinct
}

type claims struct {
	mu sync.Mutex // no other lock is taken under it
	of map[claim]*observer
}

// add claims the series of what identifies a source, or returns an error if one of them is
// claimed.
func (c *claims) add(o *observer, identity identity) error {
	provider, ok := identify(o.provider)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range identity.names {
		set := attribute.NewSet(append(slices.Clone(o.attributes), attribute.String(identity.label, name))...)
		key := claim{provider, set.Equivalent()}
		if c.of[key] != nil {
			return fmt.Errorf("otelmetrics: %s %q is observed already by this MeterProvider, so that the series of the two would be one; "+
				"want %s, or WithAttributes with what tells them apart, or stop of the first one called before",
				identity.label, name, identity.want)
		}
		c.of[key] = o
		o.claimed = append(o.claimed, key)
	}
	return nil
}

// remove releases the series of an observer. It may be called more than once.
func (c *claims) remove(o *observer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range o.claimed {
		delete(c.of, key)
	}
	o.claimed = nil
}

// identify returns what stands for a MeterProvider in a claim. ok is false if it cannot be
// told from others.
func identify(p otelmetric.MeterProvider) (key otelmetric.MeterProvider, ok bool) {
	if !reflect.ValueOf(p).Comparable() {
		return nil, false
	}
	if global := otel.GetMeterProvider(); reflect.ValueOf(global).Comparable() && p == global {
		return nil, true
	}
	return p, true
}

// identity is what tells the series of a source from those of others.
type identity struct {
	label string   // a label of all its series
	names []string // the values of that label
	want  string   // what would be right if one is claimed
}
