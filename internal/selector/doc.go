// Package selector chooses the active endpoint among several, of which one at a
// time is used.
//
// # Why
//
// Replicas that share a database are active-passive: one serves, the others are
// standbys. A client that follows health verdicts alone would alternate whenever
// one replica flaps, and between two that both claim to serve. This package
// implements a stable choice, and nothing else. It uses no clock, no connection and
// no probe: events carry their times, and the effects contain the time of the next
// event. The policy active_passive and failover.Group therefore choose in the same
// way, and the choice can be tested by itself.
//
// # Rules
//
//   - The active member stays while it is eligible: healthy or suspect, and not
//     drained.
//   - An active member that is undecided, as during a reconnect, stays for
//     Patience.
//   - Otherwise the best eligible member follows: healthy before suspect, steady
//     before on probation, the one that was active last before others, then the
//     lowest priority number, then the order of the list.
//   - While no member is eligible, no member is active.
//   - The very first choice waits up to Patience for better members that are
//     undecided.
//   - With FailBackAfterHold the active member is replaced by one with a lower
//     priority number, or one before it in the list, that has been eligible for its
//     hold-down. The hold-down counts from the recovery, or from the last switch if
//     that came later.
//   - A pin restricts the choice to one name, eligible or not.
//   - Two members that both claim to serve change nothing, and are reported.
//
// A member that relapses is on probation until it has been eligible for its
// hold-down again. The hold-down doubles, up to 16 times HoldDown, with each
// relapse of a member that has not been eligible for twice its hold-down before.
//
// # The bound
//
// Each switch has one cause: a command, a change of the list, a relapse of the
// active member, or a fail-back. There are at most 1 + T/HoldDown fail-backs in a
// time T. A relapse causes at most one switch. If one of n members stays fit, any
// number of others that flap faster than the hold-down cause at most n-1 switches
// in total, since a member on probation is not chosen before a steady one.
//
// # Defaults
//
// The defaults are FailBackNever and a HoldDown of 10 s.
package selector
