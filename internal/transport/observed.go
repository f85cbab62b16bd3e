package transport

import (
	"net"
	"sync/atomic"
	"time"
)

// bulk is how much DATA may be under way on a connection without it counting as a
// queue: servers return less than a quarter of the smallest window late.
const bulk = 16 << 10

// observed is what the frames of one connection show. Times are durations since start,
// so they are monotonic; 0 means never. The connection's reader and writer set its
// fields, without a lock.
type observed struct {
	start time.Time // when the connection was made; set before the first frame
	queue sendQueue // of the kernel; set before the first frame

	frame   atomic.Int64 // when a frame, or a part of one, was last read
	payload atomic.Int64 // when HEADERS or DATA, or a part of them, was last read
	drained atomic.Int64 // when a WINDOW_UPDATE was last read while much DATA was outstanding

	data    atomic.Uint64 // bytes in DATA frames written
	credit  atomic.Uint64 // those that the peer has returned to the window of the connection
	writing atomic.Int64  // the length of the Write under way, 0 if none is

	limit   atomic.Int64 // of streams, plus 1; 0 means that none was read
	goAway  atomic.Bool
	refused atomic.Bool // a GOAWAY had an error code

	change atomic.Pointer[func()]
}

// begin begins to observe a connection.
func (o *observed) begin(raw net.Conn) {
	if o.start.IsZero() {
		o.start = time.Now()
	}
	o.queue = newSendQueue(raw)
}

// since returns the time since start, at least 1, so that it differs from never.
func (o *observed) since() int64 { return max(1, int64(time.Since(o.start))) }

// saw notes what was read.
func (o *observed) saw(f frames) {
	now := o.since()
	o.frame.Store(now)
	if f.payload {
		o.payload.Store(now)
	}
	if f.updates {
		o.returned(f.credit, now)
	}
	if f.refused {
		o.refused.Store(true)
	}
	changed := f.limited && o.limit.Swap(int64(f.limit)+1) != int64(f.limit)+1
	if f.goAway {
		changed = !o.goAway.Swap(true) || changed
	}
	if changed {
		if changed := o.change.Load(); changed != nil {
			(*changed)()
		}
	}
}

// returned notes that the peer has returned credit bytes to the window of the
// connection, or any number to that of a stream. A credit beyond what was written
// widens the window and says nothing about the queue.
func (o *observed) returned(credit uint64, now int64) {
	written := o.data.Load()
	total := min(o.credit.Load()+credit, written)
	o.credit.Store(total)
	if written-total > bulk {
		o.drained.Store(now)
	}
}

// at returns the time of a stored value, zero for never.
func (o *observed) at(v *atomic.Int64) time.Time {
	ns := v.Load()
	if ns == 0 {
		return time.Time{}
	}
	return o.start.Add(time.Duration(ns)) // written before v was
}

// LastFrame returns when a frame of any kind, or a part of one, was last read from
// the connection, zero if never. The time has a monotonic reading.
func (o *observed) LastFrame() time.Time { return o.at(&o.frame) }

// LastPayload returns when a HEADERS or DATA frame, or a part of one, was last read,
// zero if never. Only these are signs that the server works on calls: a server whose
// handlers hang still sends frames of all other kinds.
func (o *observed) LastPayload() time.Time { return o.at(&o.payload) }

// StreamLimit returns how many streams the server allows at once on the connection,
// which may be 0. It returns NoStreamLimit if the server has announced no limit, or
// nothing yet: grpc reports a connection as ready only after the first SETTINGS.
func (o *observed) StreamLimit() uint32 {
	if limit := o.limit.Load(); limit != 0 {
		return uint32(limit - 1) // it was made of a uint32
	}
	return NoStreamLimit
}

// GoAway reports whether the server has sent GOAWAY: it accepts no further streams on
// the connection.
func (o *observed) GoAway() bool { return o.goAway.Load() }

// Dismissed reports whether the server has sent GOAWAY without an error code, as it does
// when a connection has reached its maximum age, or when the server stops.
func (o *observed) Dismissed() bool { return o.goAway.Load() && !o.refused.Load() }

// OnChange has f called when StreamLimit or GoAway has changed. Set it before the
// connection is made. f is called by the reader of the connection, shortly before
// grpc reads the same frame, so it must return soon; no lock of grpc's or of the
// Holder is held meanwhile.
func (o *observed) OnChange(f func()) { o.change.Store(&f) }
