package hostnames

import (
	"time"

	"github.com/cantonlb/cantonlb/internal/nettest"
)

// situation is one case: what is wrong with the name's addresses, or with its name server.
type situation struct {
	name string
	// ways is what happens at each address, in the order of the name server's answers.
	// The last one finds a free port, which all have.
	ways []way
	// ipv6 reports that the first address is ::1.
	ipv6 bool
	// age is how long connections live; 0 means for ever.
	age time.Duration
	// dns is how the name server behaves at first, part how many addresses an answer has
	// (0 means all), and later how it behaves once a call has succeeded.
	dns   nettest.DNSState
	part  int
	later nettest.DNSState
	// again is how often the names are looked up while all is well, by a peer that can.
	again time.Duration
	// lasts is for how long calls are made.
	lasts time.Duration
}

// The durations of cases.
const (
	brief = 2 * time.Second
	aging = 7 * time.Second
	// lookUp is longer than a look-up whose first name server is dead, which takes 5 s.
	lookUp = 7 * time.Second
	age    = 2 * time.Second
)

var situations = []situation{
	{name: "nothing is wrong", ways: []way{serves, serves}, lasts: brief},
	{name: "the first address drops packets", ways: []way{drops, serves}, lasts: brief},
	{name: "the first address refuses", ways: []way{refuses, serves}, lasts: brief},
	{name: "the first address hangs up", ways: []way{hangsUp, serves}, lasts: brief},
	{name: "the first address accepts and is mute", ways: []way{mute, serves}, lasts: brief},
	{name: "the first two of three addresses drop packets", ways: []way{drops, drops, serves}, lasts: brief},
	{name: "a SYN is lost at the only address", ways: []way{loses}, lasts: brief},
	{name: "a SYN is lost at the first address, the second refuses", ways: []way{loses, refuses}, lasts: brief},
	{name: "IPv6 and IPv4 work", ways: []way{serves, serves}, ipv6: true, lasts: brief},
	{name: "IPv6 drops packets", ways: []way{drops, serves}, ipv6: true, lasts: brief},
	{name: "IPv6 refuses", ways: []way{refuses, serves}, ipv6: true, lasts: brief},
	{name: "IPv6 hangs up", ways: []way{hangsUp, serves}, ipv6: true, lasts: brief},
	{name: "the first name server is dead", ways: []way{serves, serves}, dns: nettest.DNSFirstDead, lasts: lookUp},
	{name: "connections age", ways: []way{serves, serves}, age: age, lasts: aging},
	{name: "connections age, the first address drops packets", ways: []way{drops, serves}, age: age, lasts: aging},
	{name: "connections age, the name server fails", ways: []way{serves, serves}, age: age, later: nettest.DNSFails, lasts: aging},
	{name: "connections age, the name server hangs", ways: []way{serves, serves}, age: age, later: nettest.DNSHangs, lasts: aging},
	{
		name: "each answer holds one of three addresses", ways: []way{serves, serves, serves},
		part: 1, again: time.Second, lasts: aging,
	},
	{
		name: "each answer holds one of three addresses, connections age", ways: []way{serves, serves, serves},
		part: 1, again: time.Second, age: age, lasts: aging,
	},
}
