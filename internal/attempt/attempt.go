// Package attempt carries what the picker learns about one call back to the
// front door.
//
// # Why
//
// A picker may only answer with a plain error: a status error would end calls
// that are willing to wait. grpc turns the plain error into text, and a call
// that waits until its deadline gets no word of the picker at all. So the front
// door's interceptors put a [Record] into the call's context, the picker writes
// down why it had nothing to give, and the interceptor makes a typed error of
// it.
package attempt

import (
	"context"
	"sync/atomic"
)

// Record is one call's notes. Its zero value is ready for use; a nil *Record
// takes notes of nothing. It is safe for concurrent use.
type Record struct {
	explain atomic.Pointer[func() error]
}

type key struct{}

// NewContext returns a context that carries r.
func NewContext(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// From gives the record in ctx, nil if there is none.
func From(ctx context.Context) *Record {
	r, _ := ctx.Value(key{}).(*Record)
	return r
}

// Refused notes that the newest pick found no eligible endpoint. explain tells
// why, as of the time at which it is called.
func (r *Record) Refused(explain func() error) {
	if r != nil {
		r.explain.Store(&explain)
	}
}

// Picked notes that the newest pick found an endpoint.
func (r *Record) Picked() {
	if r != nil && r.explain.Load() != nil {
		r.explain.Store(nil)
	}
}

// Err explains why the newest pick found no endpoint; nil if it found one, or
// if there was none yet.
func (r *Record) Err() error {
	if r == nil {
		return nil
	}
	if explain := r.explain.Load(); explain != nil {
		return (*explain)()
	}
	return nil
}
