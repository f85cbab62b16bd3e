package attempt

// stage is how far the newest attempt of a record has come. A call whose credentials do
// not return can be left alone, since grpc has not read its request yet. It must not go on
// after that: grpc would read the request, and write to the reply and to what the options
// of the call point to, although the call has returned.
type stage uint8

const (
	// asking: the credentials of the attempt are asked, or will be.
	asking stage = iota
	// sending: they have returned, so the call must be awaited.
	sending
	// left: the call has been left alone.
	left
)

// Send notes that the credentials of the attempt have returned. It reports whether the
// attempt may be sent: not if the call has been left alone.
func (r *Record) Send() bool {
	defer r.lock().mu.Unlock()
	if r.stage == asking {
		r.stage = sending
	}
	return r.stage == sending
}

// Leave leaves the call alone, unless an attempt is being sent. It reports whether it
// has.
func (r *Record) Leave() bool {
	defer r.lock().mu.Unlock()
	if r.stage == asking {
		r.stage = left
	}
	return r.stage == left
}
