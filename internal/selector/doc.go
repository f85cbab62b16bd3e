// Package selector chooses the active one among endpoints of which one at a time
// is to be used.
//
// # Why
//
// Replicas that share a database are active-passive: one serves, the others
// stand by. A client that follows health verdicts alone would go back and forth
// whenever one flaps, and between two that both say that they serve. What is
// needed is a choice that holds: this package is that choice, and nothing else.
// It knows no clock, no connection and no probe. Times come in with the events,
// and the time of the next one that matters goes out with the effects. So the
// policy active_passive and failover.Group choose in the same way, and the choice
// is tested by itself.
//
// # Rules
//
//   - The active stays while it is eligible: healthy or suspect, and not drained.
//   - One that is undecided, as while its connection is made anew, stays for Patience.
//   - Otherwise the best of the eligible follows: those that nothing speaks
//     against before the suspect, the steady before those on probation, the one
//     that was active last before others, then the lowest priority number, then
//     the order of the list.
//   - Without an eligible one nobody is active, until one is.
//   - The first choice of all waits up to Patience for better ones that are
//     undecided.
//   - With FailBackAfterHold the active gives way to one with a lower priority
//     number, or before it in the list, that has been eligible for its hold-down.
//     That counts from its recovery, or from the last switch if that came later.
//   - A pin holds the choice to one name, eligible or not.
//   - Two that both say that they serve change nothing: it is reported.
//
// A member that relapses is on probation until it has been eligible for its
// hold-down again. The hold-down doubles with each relapse that comes before it
// has been eligible for twice as long, up to 16 times HoldDown.
//
// # The bound
//
// Each switch has one cause: a command, a change of the list, a relapse of the
// active, or a fail-back, of which there are at most 1 + T/HoldDown in a time T.
// A relapse causes at most one. And where one member stays fit all the time, any
// number of others that flap faster than the hold-down cause no more than n-1
// switches in all among n members, since a member on probation is not chosen
// before a steady one.
//
// # Defaults
//
// FailBackNever; HoldDown 10 s.
package selector
