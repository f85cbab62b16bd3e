package transport

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/resolver"
)

func TestAddressWithALineKeepsItsOtherAttributes(t *testing.T) {
	l := new(Line)
	type other struct{}
	a := resolver.Address{Addr: "seq1:1", ServerName: "seq1"}
	a.Attributes = a.Attributes.WithValue(other{}, 7)
	a = With(a, l)
	assert.Equal(t, "seq1:1", a.Addr)
	assert.Equal(t, "seq1", a.ServerName)
	assert.Same(t, l, a.Attributes.Value(key{}))
	assert.Equal(t, 7, a.Attributes.Value(other{}))
}

func TestTheNewestAttemptIsFoundThroughTheAddress(t *testing.T) {
	l := new(Line)
	address := With(resolver.Address{Addr: "seq1:1"}, l)
	assert.Equal(t, Attempt{}, attemptOf(address.Attributes), "none yet")
	for _, to := range []string{"10.0.0.1", "10.0.0.2"} {
		l.Begin(&Attempt{To: netip.MustParseAddr(to)})
		assert.Equal(t, to, attemptOf(address.Attributes).To.String())
	}
	assert.Equal(t, Attempt{}, attemptOf(nil))
	assert.Equal(t, Attempt{}, AttemptOf(context.Background()))
}
