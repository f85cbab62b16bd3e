// Package faulttest breaks servers at random and watches what becomes of the calls.
//
// # Why
//
// A test of one fault shows what its author thought of. What a client must never
// do, however many faults come together, is to execute a call twice that may be
// executed once, to give a call the answer of another, or to lose a call that some
// server could have answered. So here a [Plan] disturbs one server each second, at
// random, and always leaves enough of them alone; a [Witness] on the servers
// remembers each call that arrives; and [Run] makes calls of all kinds meanwhile and
// compares. The tests do that for minutes of fake time, and the suite soak of
// internal/bench for as long as one likes, on real connections.
//
// A seed makes the same faults again as long as the servers come back into rotation
// at the same ticks, since none is disturbed before.
//
// # Defaults
//
// Six servers of which three at most are disturbed, two of them so that calls fail;
// a fault each second; 12 readers, 6 writers and 6 followers.
package faulttest
