package transport

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendQueue is the kernel's queue of bytes to send on a TCP connection. The zero value
// knows nothing.
type sendQueue struct{ conn syscall.RawConn }

func newSendQueue(c net.Conn) sendQueue {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return sendQueue{raw}
		}
	}
	return sendQueue{}
}

// state returns how many bytes were written and not yet acknowledged by the peer, and
// how many were acknowledged so far. ok is false if that is not known.
func (q sendQueue) state() (queued, acked uint64, ok bool) {
	if q.conn == nil {
		return 0, 0, false
	}
	err := q.conn.Control(func(fd uintptr) {
		waiting, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		if err != nil {
			return
		}
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		queued, acked, ok = uint64(max(waiting, 0)), info.Bytes_acked, true
	})
	return queued, acked, ok && err == nil
}
