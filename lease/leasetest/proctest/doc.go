// Package proctest runs candidates for a lease as processes, and stops, continues and
// kills them, as nothing within one process can.
//
// # Why
//
// A lease is for what happens between processes. A test of a store starts its own test
// binary again as candidates, which write down each action that they take while their
// lease is valid; what all of them did is compared afterwards, by the one clock that
// the processes of a machine share. On Unix:
//
//	func TestMain(m *testing.M) {
//		proctest.Child(open) // does not return in a candidate
//		os.Exit(m.Run())
//	}
//
//	func TestFaults(t *testing.T) {
//		proctest.Faults(t, proctest.Setup{Address: address, TTL: 2 * time.Second})
//	}
package proctest
