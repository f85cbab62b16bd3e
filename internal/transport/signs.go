package transport

// Mark is the state of a connection at one time. The zero value is the state before
// there was a connection.
type Mark struct {
	at     int64
	frame  int64  // when the last frame was read
	queued bool   // what follows is known
	acked  uint64 // bytes that the peer's kernel had acknowledged
	behind uint64 // bytes that were to be acknowledged before anything written later
}

// Signs are what a connection has shown since a Mark.
type Signs struct {
	// Frame reports that a frame of any kind, or a part of one, was read. The peer's
	// transport is alive.
	Frame bool
	// Payload reports that HEADERS or DATA was read: the peer works on calls.
	Payload bool
	// Draining reports that a request could not have been answered, since it had to
	// wait behind others, and that these went out: the peer has returned credit while
	// much DATA was outstanding, or its kernel has acknowledged a part, but not all, of
	// what was queued at the Mark. Only Linux tells the latter, for TCP.
	Draining bool
}

// Mark returns the present state.
func (o *observed) Mark() Mark {
	frame := o.frame.Load()
	if frame == 0 {
		return Mark{} // start may not be set yet
	}
	m := Mark{at: o.since(), frame: frame}
	if queued, acked, ok := o.queue.state(); ok {
		m.queued, m.acked, m.behind = true, acked, queued+uint64(o.writing.Load())
	}
	return m
}

// Since returns what the connection has shown since m.
func (o *observed) Since(m Mark) Signs {
	s := Signs{
		Frame:    o.frame.Load() > m.frame,
		Payload:  o.payload.Load() > m.at,
		Draining: o.drained.Load() > m.at,
	}
	if m.queued && m.behind > 0 {
		queued, acked, ok := o.queue.state()
		s.Draining = s.Draining || ok && queued > 0 && acked > m.acked && acked < m.acked+m.behind
	}
	return s
}
