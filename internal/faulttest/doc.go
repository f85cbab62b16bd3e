// Package faulttest breaks servers at random and checks the results of calls.
//
// # Why
//
// A test of one fault covers only what its author thought of. Whatever faults
// coincide, a client must never execute a call twice that may be executed only
// once, return the answer of another call, or lose a call that some server could
// have answered. A [Plan] disturbs one server each second, at random, and always
// leaves enough servers alone. A [Witness] on the servers records each call that
// arrives. [Run] makes calls of all kinds and compares their results. The tests do
// that for minutes of fake time; the suite soak of internal/bench does it for any
// time on real connections.
//
// A seed reproduces the same faults as long as the servers return to rotation at
// the same ticks, since no server is disturbed before that.
//
// # Defaults
//
// There are six servers, of which at most three are disturbed, at most two of them
// so that calls fail; a fault each second; 12 readers, 6 writers and 6 followers.
package faulttest
