package transport

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cantonlb/cantonlb/internal/guard"
)

func TestADialerThatIgnoresItsContextIsLeftAndItsLateConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left guard.Left
		ours, theirs := net.Pipe()
		dial := HeedingDialer(func(context.Context, string) (net.Conn, error) {
			time.Sleep(time.Hour)
			return ours, nil
		}, &left)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := dial(ctx, "a:1")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, `the dialer of "a:1"`, left.String())
		_, err = theirs.Read(make([]byte, 1))
		assert.Error(t, err, "it is closed")
		synctest.Wait()
		assert.Empty(t, left.String())
	})
}

func TestTheResultOfADialIsReturned(t *testing.T) {
	no := errors.New("no")
	conn, err := HeedingDialer(func(context.Context, string) (net.Conn, error) { return nil, no }, new(guard.Left))(t.Context(), "a:1")
	assert.Nil(t, conn)
	assert.ErrorIs(t, err, no)
	_, err = HeedingDialer(func(context.Context, string) (net.Conn, error) { return nil, nil }, new(guard.Left))(t.Context(), "a:1")
	assert.ErrorIs(t, err, errNoConnection)
}

// emptyHanded are transport credentials that return nothing.
type emptyHanded struct {
	credentials.TransportCredentials
}

func (emptyHanded) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, nil
}

func TestAHandshakeWithoutAConnectionIsAnError(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	_, _, err := New(emptyHanded{insecure.NewCredentials()}).ClientHandshake(t.Context(), "a:1", near)
	assert.ErrorIs(t, err, errNoConnection)
}
