// Package judge says what one endpoint is, from all that is known of it.
//
// # Why
//
// Whether an endpoint may be picked, what its state is called, why, whether calls
// wait for it, and whether the active endpoint is in doubt all follow from the same
// facts. Where each is worked out by itself they come to differ, and what was told
// last has to be remembered once for each. So there is one function, [Judge], from
// [Facts] to a [Judgement], of plain values. Its owner keeps one Judgement for each
// endpoint, which is what was told; what a change of the facts has brought about is
// the difference between that and the next one.
//
// # The three truths
//
//   - Server health: what the health target says, after thresholds.
//   - Connection liveness: whether the peer at the end of this connection answers.
//   - Call evidence: whether calls that the server could have served succeed.
//
// Besides these: whether there is a connection, what grpc's own health check says,
// whether the server is known to be the right one, and what was decided by hand or by
// a change of the list.
package judge
