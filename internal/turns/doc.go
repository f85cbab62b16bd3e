// Package turns plans in which order endpoints of different weights are picked.
//
// # Why
//
// An endpoint of weight 3 beside one of weight 1 shall get three calls of four,
// and not three in a row before the other gets one. To weigh that at each pick
// takes a lock or a walk through all endpoints. A plan made beforehand takes
// neither: the pick steps through it as through a list of equals.
//
// The plan is that of R. Tijdeman, "The chairman assignment problem" (1980): in
// every beginning of it each endpoint is less than one turn ahead of or behind
// its share. Plans that pick whoever is furthest behind, as smooth weighted
// round robin commonly does, come without that promise.
package turns
