package follow

import "github.com/cantonlb/cantonlb/report"

// Router is what a follower does to a router of shards, besides what the router's own
// methods do. It is safe for concurrent use.
type Router interface {
	// Refused reports a content of the source that is not in effect.
	Refused(err error)
}

// RouterFollower keeps the shards of a router those of its source.
type RouterFollower interface {
	// Status returns the state of the source.
	Status() report.FileStatus
	// Close ends the following, and waits for an update that is under way. The router
	// calls it once, before it ends.
	Close() (left string)
	// Release closes the clients of the shards. The router calls it once, when it no longer
	// uses them.
	Release()
}

// RouterOption is the option by which a router gets its follower.
type RouterOption struct {
	// Start is called once, with the router that is about to be returned.
	Start func(Router) RouterFollower
}
