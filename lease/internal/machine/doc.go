// Package machine decides when a candidate acquires a lease, renews it and releases it.
//
// # Why
//
// The faults of leases are faults of order and time: an answer that comes late, a
// clock that goes fast, a process that is stopped between two lines. None of them
// can be tested through a real store in enough ways. So all decisions are made here
// by one pure function, [State.Next], which is given what has happened and the
// reading of the candidate's own clock, and says what is to be done. Package lease
// does it.
//
// # The argument
//
// A holder counts its lease from a reading of its clock before the request was sent:
// it ends TTL - Margin after that. A candidate counts from a reading after it has
// received a record, which was written later than that, and acts a whole TTL after
// that, with a write that is refused if the record is another one by then. So if the
// clocks' rates differ by less than Margin/TTL, the holder's lease has ended, by its
// own clock, before the candidate's can begin, whatever the messages do.
package machine
