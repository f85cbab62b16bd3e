package attempt

import (
	"context"
	"sync/atomic"
)

type key struct{}

var carried atomic.Bool

// Carried reports whether any context of this program has carried a record. While
// none has, a pick need not look for one, which would be a sixth of its time.
func Carried() bool { return carried.Load() }

// NewContext returns a context that carries r.
func NewContext(ctx context.Context, r *Record) context.Context {
	if !carried.Load() {
		carried.Store(true)
	}
	if r.carrier.Context == nil {
		r.carrier = carrier{ctx, r} // which saves an allocation
		return &r.carrier
	}
	return context.WithValue(ctx, key{}, r)
}

// carrier is a context that carries a record, and a part of it.
type carrier struct {
	context.Context //nolint:containedctx // it is one

	record *Record
}

// Value implements context.Context.
func (c *carrier) Value(k any) any {
	if k == (key{}) {
		return c.record
	}
	return c.Context.Value(k)
}

// From returns the record in ctx, nil if there is none. ctx may be nil, since a
// policy above ours may call our picker without a call.
func From(ctx context.Context) *Record {
	if ctx == nil {
		return nil
	}
	r, _ := ctx.Value(key{}).(*Record)
	return r
}
