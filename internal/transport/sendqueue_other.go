//go:build !linux

package transport

import "net"

// sendQueue knows nothing about the kernel's queue on this system.
type sendQueue struct{}

func newSendQueue(net.Conn) sendQueue { return sendQueue{} }

func (sendQueue) state() (queued, acked uint64, ok bool) { return 0, 0, false }
