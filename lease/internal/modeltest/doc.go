// Package modeltest runs the state machine of leases in a world where everything goes
// wrong that may: clocks of different rates and origins, processes that are stopped
// and continued at any moment, messages that are lost or come as late as they like,
// stores that fail. It has tests alone.
//
// A test can only show the presence of faults; what this one looks for is written at
// its functions. For more steps than it takes by default:
//
//	go test ./lease/internal/modeltest -rapid.checks=1000
package modeltest
