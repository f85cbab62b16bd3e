package transport

import "encoding/binary"

// frameKind is the type of an HTTP/2 frame (RFC 9113, section 6).
type frameKind uint8

// The kinds of frames that are told apart.
const (
	frameData         frameKind = 0x0
	frameHeaders      frameKind = 0x1
	frameSettings     frameKind = 0x4
	frameGoAway       frameKind = 0x7
	frameWindowUpdate frameKind = 0x8
	frameContinuation frameKind = 0x9

	clientPreface frameKind = 0xff // not a frame: what a client sends before its first one
)

const (
	frameHeaderLength    = 9
	clientPrefaceLength  = 24
	settingLength        = 6
	windowUpdateLength   = 4
	goAwayLength         = 8 // of its fixed part
	flagAck              = 0x1
	maxConcurrentStreams = 0x3
	lower31              = 1<<31 - 1 // a stream or an increment; the bit above is reserved
)

// frames is what was found in a piece of one direction of a connection.
type frames struct {
	payload bool   // a part of a HEADERS, CONTINUATION or DATA frame
	data    uint64 // the lengths of the DATA frames that begin in the piece
	updates bool   // a WINDOW_UPDATE
	credit  uint64 // what WINDOW_UPDATE adds to the window of the connection
	goAway  bool   // a GOAWAY
	refused bool   // a GOAWAY with an error code

	limited bool   // a setting of MAX_CONCURRENT_STREAMS
	limit   uint32 // the last one
}

// scanner finds the frames of one direction of an HTTP/2 connection, whose bytes may
// come in pieces of any size. It looks at headers, settings, window updates and the
// error code of a GOAWAY, and skips everything else. It needs the same memory whatever comes, and accepts
// anything: once the bytes cannot be HTTP/2, it finds nothing more. The zero value
// is for what a server sends. It is a plain value, not safe for concurrent use.
type scanner struct {
	kind   frameKind
	flags  byte
	stream uint32
	left   uint32 // bytes of the present frame to come
	unit   uint32 // the length of its parts, if they are looked at; otherwise 0

	part    [frameHeaderLength]byte // of a header or a part, until it is complete
	have    int                     // bytes in it
	started bool                    // the first frame was found
	lost    bool                    // this is not HTTP/2
}

// newClientScanner returns a scanner for what a client sends.
func newClientScanner() scanner {
	return scanner{kind: clientPreface, left: clientPrefaceLength}
}

// scan finds the frames in the next bytes. It does not keep or change b.
func (s *scanner) scan(b []byte) (found frames) {
	for len(b) > 0 && !s.lost {
		var part []byte
		switch {
		case s.left == 0:
			if part, b = s.take(b, frameHeaderLength); part != nil {
				s.begin(part, &found)
			}
			continue
		case s.unit > 0:
			if part, b = s.take(b, int(s.unit)); part != nil {
				s.left -= s.unit
				s.read(part, &found)
			}
			continue
		case s.isPayload():
			found.payload = true
		}
		n := min(uint32(min(len(b), lower31)), s.left)
		s.left -= n
		b = b[n:]
	}
	return found
}

// take returns the next n bytes, or nil if more must come first, and the rest of b.
func (s *scanner) take(b []byte, n int) (part, rest []byte) {
	if s.have == 0 && len(b) >= n {
		return b[:n], b[n:]
	}
	copied := copy(s.part[s.have:n], b)
	s.have += copied
	if s.have < n {
		return nil, nil
	}
	s.have = 0
	return s.part[:n], b[copied:]
}

// between reports whether the next byte begins a frame, and not the first one.
func (s *scanner) between() bool { return s.started && !s.lost && s.left == 0 && s.have == 0 }

// begin begins a frame with this header.
func (s *scanner) begin(header []byte, found *frames) {
	s.left = binary.BigEndian.Uint32(header) >> 8
	s.kind, s.flags = frameKind(header[3]), header[4]
	s.stream = binary.BigEndian.Uint32(header[5:]) & lower31
	s.unit = 0
	if !s.started && s.kind != frameSettings {
		s.lost = true // each side begins with SETTINGS
		return
	}
	s.started = true
	switch s.kind {
	case frameSettings:
		s.unit, s.lost = settingLength, s.left%settingLength != 0
	case frameWindowUpdate:
		s.unit, s.lost = windowUpdateLength, s.left != windowUpdateLength
	case frameData:
		found.data += uint64(s.left)
	case frameGoAway:
		s.unit, s.lost = goAwayLength, s.left < goAwayLength
		found.goAway = true
	case frameHeaders, frameContinuation, clientPreface:
	}
	found.payload = found.payload || s.isPayload()
}

// isPayload reports whether the present frame belongs to a call.
func (s *scanner) isPayload() bool {
	return s.kind == frameData || s.kind == frameHeaders || s.kind == frameContinuation
}

// read reads one part of the present frame.
func (s *scanner) read(part []byte, found *frames) {
	switch {
	case s.kind == frameGoAway:
		s.unit = 0 // what follows is text
		found.refused = found.refused || binary.BigEndian.Uint32(part[4:]) != 0
	case s.kind == frameWindowUpdate:
		found.updates = true
		if s.stream == 0 {
			found.credit += uint64(binary.BigEndian.Uint32(part) & lower31)
		}
	case s.flags&flagAck == 0 && binary.BigEndian.Uint16(part) == maxConcurrentStreams:
		found.limited, found.limit = true, binary.BigEndian.Uint32(part[2:])
	}
}
