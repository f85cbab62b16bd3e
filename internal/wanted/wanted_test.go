package wanted

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/attributes"
	grpcresolver "google.golang.org/grpc/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// attribute is the key of an attribute of an address.
type attribute struct{}

func address(addr, serverName string) grpcresolver.Address {
	return grpcresolver.Address{Addr: addr, ServerName: serverName}
}

func endpointAt(addrs ...grpcresolver.Address) grpcresolver.Endpoint {
	return grpcresolver.Endpoint{Addresses: addrs}
}

func named(name string, addrs ...grpcresolver.Address) Endpoint {
	return Endpoint{Name: name, Addrs: addrs, Weight: 1}
}

func TestForeignListsAreReadAsTheyCome(t *testing.T) {
	type list = []Endpoint
	for name, c := range map[string]struct {
		given grpcresolver.State
		want  list
	}{
		"addresses alone": {
			grpcresolver.State{Addresses: []grpcresolver.Address{address("a", ""), address("b", ""), address("a", "")}},
			list{named("a", address("a", "")), named("b", address("b", ""))},
		},
		"endpoints come before addresses": {
			grpcresolver.State{Addresses: []grpcresolver.Address{address("x", "")}, Endpoints: []grpcresolver.Endpoint{endpointAt(address("a", ""))}},
			list{named("a", address("a", ""))},
		},
		"an endpoint without addresses is dropped": {
			grpcresolver.State{Endpoints: []grpcresolver.Endpoint{{}, endpointAt(address("a", ""))}},
			list{named("a", address("a", ""))},
		},
		"addresses that another endpoint has are dropped": {
			grpcresolver.State{Endpoints: []grpcresolver.Endpoint{
				endpointAt(address("a", ""), address("b", "")), endpointAt(address("b", ""), address("c", "")), endpointAt(address("a", "")),
			}},
			list{named("a", address("a", ""), address("b", "")), named("c", address("c", ""))},
		},
		"a server name makes a difference": {
			grpcresolver.State{Endpoints: []grpcresolver.Endpoint{endpointAt(address("a", "x")), endpointAt(address("a", "y"))}},
			list{named("a", address("a", "x")), named("a (y)", address("a", "y"))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(c.given)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	for name, state := range map[string]grpcresolver.State{
		"nothing": {}, "an endpoint without addresses": {Endpoints: []grpcresolver.Endpoint{{}}},
	} {
		_, err := Read(state)
		assert.ErrorIs(t, err, ErrNone, name)
	}
}

func TestOnlyWhatAConnectionIsMadeOfMakesADifference(t *testing.T) {
	base := func(change func(*grpcresolver.Address)) grpcresolver.Address {
		a := address("a", "x")
		a.Attributes = attributes.New(attribute{}, 1)
		change(&a)
		return a
	}
	is := base(func(*grpcresolver.Address) {})
	for name, c := range map[string]struct {
		change func(*grpcresolver.Address)
		same   bool
	}{
		"nothing":     {func(*grpcresolver.Address) {}, true},
		"address":     {func(a *grpcresolver.Address) { a.Addr = "b" }, false},
		"server name": {func(a *grpcresolver.Address) { a.ServerName = "" }, false},
		"attributes":  {func(a *grpcresolver.Address) { a.Attributes = nil }, false},
		//lint:ignore SA1019 what is deprecated must be ignored, too
		"balancer attributes": {func(a *grpcresolver.Address) { a.BalancerAttributes = attributes.New(attribute{}, 2) }, true}, //nolint:staticcheck // old resolvers set it
		//lint:ignore SA1019 what is deprecated must be ignored, too
		"metadata": {func(a *grpcresolver.Address) { a.Metadata = 1 }, true}, //nolint:staticcheck // the same
	} {
		assert.Equal(t, c.same, Same(is, base(c.change)), name)
	}
}

func TestAnEndpointStaysWithTheSameAddressesInAnyOrder(t *testing.T) {
	a, b, c := address("a", ""), address("b", ""), address("c", "")
	for name, x := range map[string]struct {
		connected    *grpcresolver.Address
		before, next []grpcresolver.Address
		keeps        bool
	}{
		"the same":                       {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a, b}, true},
		"in another order":               {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{b, a}, true},
		"one more":                       {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a, b, c}, false},
		"one less":                       {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a}, false},
		"another one":                    {nil, []grpcresolver.Address{a, b}, []grpcresolver.Address{a, c}, false},
		"one more while connected":       {&a, []grpcresolver.Address{a, b}, []grpcresolver.Address{b, c, a}, true},
		"without that of the connection": {&b, []grpcresolver.Address{a, b}, []grpcresolver.Address{a}, false},
	} {
		p := Present{Addrs: x.before, Connected: x.connected}
		assert.Equal(t, x.keeps, p.Stays(Endpoint{Addrs: x.next}), name)
	}
}

func TestAForeignEndpointKeepsItsName(t *testing.T) {
	a, b, c := address("a", ""), address("b", ""), address("c", "")
	pair := Present{Name: "a", Addrs: []grpcresolver.Address{a, b}}
	moved := Present{Name: "a", Addrs: []grpcresolver.Address{b}}
	for name, x := range map[string]struct {
		present []Present
		list    []Endpoint
		names   []string
	}{
		"in another order":           {[]Present{pair}, []Endpoint{named("b", b, a)}, []string{"a"}},
		"by its later address":       {[]Present{moved}, []Endpoint{named("b", b), named("c", c)}, []string{"a", "c"}},
		"unless the name is taken":   {[]Present{moved}, []Endpoint{named("a", a), named("b", b)}, []string{"a", "b"}},
		"unless it could not stay":   {[]Present{pair}, []Endpoint{named("b", b)}, []string{"b"}},
		"and of two only one does":   {[]Present{moved}, []Endpoint{named("b", b), named("b (x)", b)}, []string{"a", "b (x)"}},
		"none is present":            {nil, []Endpoint{named("b", b)}, []string{"b"}},
		"all have their own address": {[]Present{{Name: "a", Addrs: []grpcresolver.Address{a}}}, []Endpoint{named("b", b)}, []string{"b"}},
	} {
		Recognize(x.list, x.present)
		got := make([]string, len(x.list))
		for i, e := range x.list {
			got[i] = e.Name
		}
		assert.Equal(t, x.names, got, name)
	}
}
