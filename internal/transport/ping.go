package transport

// grpc ends all use of a connection on which the server has sent GOAWAY, or which it was
// told to shut down, except for the calls on it. Only a PING can then ask the peer
// whether it is there.

// pingFrame is a PING (RFC 9113, section 6.7). Its data tells it from grpc's own pings;
// grpc ignores the answer.
const pingFrame = "\x00\x00\x08\x06\x00\x00\x00\x00\x00cantonlb"

// Ping asks the transport of the peer whether it is alive, and reports whether it did. It
// does not while grpc writes, nor within a frame. Any frame that is read afterwards is an
// answer. Servers of gRPC close a connection after four pings in five minutes during
// which they have sent nothing for calls.
func (h *Holder) Ping() bool {
	h.mu.Lock()
	c := h.held
	h.mu.Unlock()
	return c != nil && c.ping()
}

func (c *held) ping() bool {
	select {
	case c.turn <- struct{}{}:
	default:
		return false
	}
	defer func() { <-c.turn }()
	if !c.sent.between() {
		return false
	}
	_, err := c.Conn.Write([]byte(pingFrame))
	return err == nil
}
