//go:build !linux

package hostnames

import (
	"context"
	"net"
)

type full struct{ port int }

func listenFull(context.Context, string, int) (*full, error) { return nil, errNotHere }

func (*full) listener() (net.Listener, error) { return nil, errNotHere }

func (*full) open() error { return errNotHere }

func (*full) close() {}
