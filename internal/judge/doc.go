// Package judge derives the state of one endpoint from all that is known about it.
//
// # Why
//
// Whether an endpoint may be picked, its state and reason, whether calls wait for it,
// and whether the active endpoint is in doubt all follow from the same facts. If each
// were derived separately, they would come to differ, and what was last reported
// would have to be stored once for each. So there is one function, [Judge], from
// [Facts] to a [Judgement]; both are plain values. The owner keeps one Judgement for
// each endpoint: the one last reported. The difference between it and the next one is
// what a change of the facts has caused.
//
// # The three sources
//
//   - Server health: what the health target reports, after thresholds.
//   - Connection liveness: whether the peer at the other end of the connection answers.
//   - Call evidence: whether calls that the server could have served succeed.
//
// Other facts are whether there is a connection, what grpc's own health check
// reports, whether the server is known to be the expected one, and what was decided
// by an operator or by a change of the list.
package judge
