// Package turns plans in which order endpoints of different weights are picked.
//
// # Why
//
// An endpoint of weight 3 next to one of weight 1 should receive three calls of
// four, evenly spread and not three in a row. Computing that at each pick needs a
// lock or a walk over all endpoints. A plan made in advance needs neither: the pick
// steps through it as through a list of endpoints of equal weight.
//
// The plan is that of R. Tijdeman, "The chairman assignment problem" (1980): in
// every prefix of the plan, each endpoint is less than one turn ahead of or behind
// its share. Plans that always pick the endpoint furthest behind, as smooth
// weighted round robin commonly does, do not guarantee that.
package turns
