package transport

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/cantonlb/cantonlb/internal/guard"
)

// mostDials bounds the dials of one address that have not returned in time.
const mostDials = 4

// dialed is the result of a dial.
type dialed struct {
	conn net.Conn
	err  error
}

// errNoConnection is the error of code of the program that returns neither a connection nor
// an error, which would end the process later.
var errNoConnection = errors.New("it has returned no connection")

// unlessNone returns err, or errNoConnection if there is neither.
func unlessNone(conn net.Conn, err error) error {
	if conn == nil && err == nil {
		return errNoConnection
	}
	return err
}

// HeedingDialer returns a dialer that returns when its context ends, although dial, which is
// code of the program, may ignore it. A connection that comes later is closed. left
// counts the dials that have not returned; while there are several of one address,
// further dials of it fail.
func HeedingDialer(dial func(context.Context, string) (net.Conn, error), left *guard.Left) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		d, err := guard.Await(ctx, left, fmt.Sprintf("the dialer of %.100q", address), mostDials, func() (d dialed) {
			d.conn, d.err = dial(ctx, address)
			return d
		}, func(late dialed) {
			if late.conn != nil {
				_ = late.conn.Close() // it is not used
			}
		})
		if err != nil {
			return nil, err
		}
		return d.conn, unlessNone(d.conn, d.err)
	}
}
