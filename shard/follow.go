package shard

import "github.com/cantonlb/cantonlb/internal/follow"

// Option is an option of New. Package configfile has the only one, by which a Router
// follows its config file.
type Option = follow.RouterOption

// followed is a Router in the form that package configfile uses.
type followed struct{ r *Router }

// Refused implements follow.Router.
func (f followed) Refused(err error) {
	f.r.mu.Lock()
	told := f.r.eventLocked(EventConfig, "", err.Error())
	f.r.mu.Unlock()
	f.r.tell(told)
}
