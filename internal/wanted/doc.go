// Package wanted reads the list of endpoints from a resolver's state, and compares it
// with the endpoints that there are.
//
// # Why
//
// Any resolver may feed a policy. This module's own names the endpoints and says how each
// is connected to; another one lists bare addresses, in any order, some of them twice. What
// follows from a list is the same in both cases, and must not depend on where it came from.
package wanted
