package hostnames

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
)

// full is a listening socket whose queue of connections is full.
type full struct {
	port  int
	fd    int
	conns []net.Conn // those in the queue
}

const (
	// dropped is how long a connect may take before its SYN counts as dropped.
	dropped = 150 * time.Millisecond
	// longest is how many connections are made to fill a queue.
	longest = 20
	// backlog is the length of the queue of a socket that is not full any more.
	backlog = 128
)

// listenFull listens at an address, at any port if it is 0, and fills the queue.
func listenFull(ctx context.Context, ip string, port int) (*full, error) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, err
	}
	family, at := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Port: port, Addr: [4]byte(addr.AsSlice()[:4])})
	if addr.Is6() {
		family, at = syscall.AF_INET6, &syscall.SockaddrInet6{Port: port, Addr: addr.As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &full{fd: fd}
	if err := errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, at), syscall.Listen(fd, 0)); err != nil {
		f.close()
		return nil, fmt.Errorf("%s, port %d: %w", ip, port, err)
	}
	if f.port, err = boundPort(fd); err != nil {
		f.close()
		return nil, err
	}
	for range longest {
		dialer := net.Dialer{Timeout: dropped}
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(f.port)))
		if err != nil {
			return f, ctx.Err()
		}
		f.conns = append(f.conns, conn)
	}
	f.close()
	return nil, fmt.Errorf("%s, port %d: the queue does not become full", ip, f.port)
}

func boundPort(fd int) (int, error) {
	at, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch at := at.(type) {
	case *syscall.SockaddrInet4:
		return at.Port, nil
	case *syscall.SockaddrInet6:
		return at.Port, nil
	default:
		return 0, errors.ErrUnsupported
	}
}

// listener returns a listener of the socket.
func (f *full) listener() (net.Listener, error) {
	fd, err := syscall.Dup(f.fd)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer func() { _ = file.Close() }() // net.FileListener has a copy
	return net.FileListener(file)
}

// open makes room in the queue.
func (f *full) open() error {
	for _, conn := range f.conns {
		_ = conn.Close() // it stays in the queue, and ends once it is accepted
	}
	return syscall.Listen(f.fd, backlog)
}

func (f *full) close() {
	for _, conn := range f.conns {
		_ = conn.Close() // it may be closed already
	}
	_ = syscall.Close(f.fd) // nothing has been written to it
}
