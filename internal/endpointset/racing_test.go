package endpointset

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/connectivity"
	grpcresolver "google.golang.org/grpc/resolver"

	"github.com/cantonlb/cantonlb/internal/link"
	"github.com/cantonlb/cantonlb/internal/machine"
	"github.com/cantonlb/cantonlb/internal/names"
	"github.com/cantonlb/cantonlb/internal/transport"
)

// several makes an endpoint with several addresses.
func several(addrs ...string) grpcresolver.Endpoint {
	var e grpcresolver.Endpoint
	for _, a := range addrs {
		e.Addresses = append(e.Addresses, grpcresolver.Address{Addr: a})
	}
	return e
}

func addressesOf(list []*fakeSubConn) []string {
	var out []string
	for _, sc := range list {
		out = append(out, sc.address.Addr)
	}
	return out
}

// grpc: the HappyEyeballs set.
func TestTheAddressesOfAnEndpointAreRacedInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.pushEndpoints(several("a", "b", "c")))
		require.Equal(t, []string{"a"}, addressesOf(f.live()))
		f.down(errRefused, "a")
		require.Equal(t, []string{"b"}, addressesOf(f.live()), "at once")
		assert.True(t, f.waits(), "two addresses are left")
		time.Sleep(machine.RaceDelay - 1)
		synctest.Wait()
		require.Equal(t, []string{"b"}, addressesOf(f.live()))
		time.Sleep(time.Nanosecond) // b takes long
		synctest.Wait()
		require.Equal(t, []string{"b", "c"}, addressesOf(f.live()))
		f.up("c")
		assert.Equal(t, []string{"c"}, f.picked())
		assert.Equal(t, []string{"c"}, addressesOf(f.live()), "the other attempt has ended")
		assert.Equal(t, "a", f.set.Status().Endpoints[0].Name)
		assert.Equal(t, "c", f.set.Status().Endpoints[0].Address)

		f.conn("c").become(connectivity.Idle, nil)
		assert.Equal(t, []string{"a"}, addressesOf(f.live()), "it begins with the first again")
		f.down(errRefused, "a")
		f.down(errRefused, "b")
		assert.True(t, f.waits())
		f.down(errRefused, "c")
		assert.Contains(t, f.refusal(), "a unreachable (connection refused; next try in ")
		assert.Empty(t, f.live())
	})
}

func TestASlowAddressMayStillWinTheRace(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.pushEndpoints(several("a", "b", "c")))
		time.Sleep(2 * machine.RaceDelay)
		synctest.Wait()
		require.Equal(t, []string{"a", "b", "c"}, addressesOf(f.live()))
		f.down(errRefused, "b")
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
		assert.Equal(t, []string{"a"}, addressesOf(f.live()))
		time.Sleep(link.ConnectTimeout)
		assert.Equal(t, []string{"a"}, addressesOf(f.live()))
	})
}

func TestAnAddressAfterWhichGRPCPausesIsPassedOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		f.rests = true
		require.NoError(t, f.pushEndpoints(several("a", "b")))
		a := f.conn("a")
		f.down(errRefused, "a")
		f.up("b")
		assert.Equal(t, []string{"b"}, f.picked())
		f.conn("b").become(connectivity.Idle, nil)
		assert.Equal(t, []string{"b"}, addressesOf(f.live()))
		f.down(errRefused, "b")
		assert.Empty(t, f.live())
		a.rested()
		f.opens.Store(true)
		time.Sleep(link.KnockEvery)
		synctest.Wait()
		f.up("a")
		assert.Equal(t, []string{"a"}, f.picked())
	})
}

func TestAnEndpointThatLeavesEndsItsRace(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.pushEndpoints(several("a", "b"), several("c")))
		time.Sleep(machine.RaceDelay)
		require.Len(t, f.live(), 3)
		require.NoError(t, f.push("c"))
		f.up("c")
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"c"}, addressesOf(f.live()))
	})
}

// found reports the answers for the name of an address, as the dialer does.
func (sc *fakeSubConn) found(ips ...string) {
	var list []netip.Addr
	for _, ip := range ips {
		list = append(list, netip.MustParseAddr(ip))
	}
	attemptOn(sc).Found(list)
	synctest.Wait()
}

// attemptOn returns the attempt that the dialer sees.
func attemptOn(sc *fakeSubConn) transport.Attempt { return transport.AttemptFor(sc.address) }

func TestTheAddressesOfANameAreRaced(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("name:1"))
		time.Sleep(time.Second)
		first := f.conn("name:1")
		assert.False(t, attemptOn(first).To.IsValid(), "the dialer looks the name up")
		first.found("10.0.0.1", "10.0.0.2", "10.0.0.3")
		require.Len(t, f.live(), 1)
		time.Sleep(machine.RaceDelay)
		live := f.live()
		require.Len(t, live, 2)
		assert.Equal(t, "10.0.0.2", attemptOn(live[1]).To.String())
		assert.Nil(t, attemptOn(live[1]).Found)
		first.become(connectivity.TransientFailure, errRefused)
		live = f.live()
		require.Len(t, live, 2)
		assert.Equal(t, "10.0.0.3", attemptOn(live[1]).To.String())
		live[1].become(connectivity.Ready, nil)
		synctest.Wait()
		assert.Equal(t, []string{"name:1"}, f.picked())
		assert.Len(t, f.live(), 1)
		assert.Equal(t, "name:1", f.set.Status().Endpoints[0].Address)

		f.conn("name:1").become(connectivity.Idle, nil)
		again := f.conn("name:1")
		assert.False(t, attemptOn(again).To.IsValid(), "the name is looked up again")
		late := attemptOn(again).Found
		again.become(connectivity.Ready, nil)
		late([]netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")})
		time.Sleep(time.Second)
		assert.Len(t, f.live(), 1, "the race was over")
	})
}

func TestAnAttemptKnowsWhetherThereAreOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("name:1"))
		first := f.conn("name:1")
		assert.False(t, attemptOn(first).Others())
		first.found("10.0.0.1", "10.0.0.2")
		assert.True(t, attemptOn(first).Others(), "one has not been tried")
		time.Sleep(machine.RaceDelay)
		second := f.live()[1]
		assert.True(t, attemptOn(second).Others(), "the first one may still succeed")
		first.become(connectivity.TransientFailure, errRefused)
		assert.False(t, attemptOn(second).Others())
	})
}

func TestANameHasABoundedNumberOfAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.push("name:1"))
		ips := make([]string, 100)
		for i := range ips {
			ips[i] = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()
		}
		f.conn("name:1").found(ips...)
		time.Sleep(17 * machine.RaceDelay)
		assert.Len(t, f.live(), names.MaxAddresses)
	})
}

// A name server that rotates its answers changes nothing, nor does one that leaves out
// some of them or adds others, while the address in use is among them.
func TestAddressesInAnotherOrderMakeNoNewConnection(t *testing.T) {
	for name, next := range map[string][]string{
		"rotated": {"b", "c", "a"}, "reversed": {"c", "b", "a"}, "fewer": {"b"}, "fewer and others": {"d", "b"}, "more": {"a", "d", "b", "c"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.pushEndpoints(several("a", "b", "c"), several("x", "y")))
				f.down(errRefused, "a")
				f.up("b", "x")
				made := len(f.all())
				require.NoError(t, f.pushEndpoints(several("x", "y"), several(next...)))
				time.Sleep(time.Minute)
				assert.Len(t, f.all(), made)
				assert.Equal(t, []string{"b", "x"}, f.picked())
				assert.Equal(t, "a", f.status("a").Name, "the endpoint keeps its name")
				f.conn("b").become(connectivity.Idle, nil)
				assert.Contains(t, addressesOf(f.live()), next[0], "the next race has the new order")
			})
		})
	}
}

func TestAnEndpointWithOtherAddressesIsAnotherOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.pushEndpoints(several("a", "b")))
		f.up("a")
		require.NoError(t, f.pushEndpoints(several("b", "c")))
		f.up("b")
		assert.Equal(t, []string{"b"}, f.picked())
		assert.Equal(t, "b", f.set.Status().Endpoints[0].Name)
		assert.Empty(t, f.live("a"))
	})
}

func TestTwoEndpointsThatExchangeAddressesKeepApart(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.pushEndpoints(several("a", "b"), several("c", "d")))
		f.up("a", "c")
		require.NoError(t, f.pushEndpoints(several("d", "a"), several("b", "c")))
		synctest.Wait()
		assert.Len(t, f.all(), 2)
		assert.Equal(t, []string{"a", "c"}, f.picked())
	})
}
