package pick

import (
	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// Refusal is the picker of a set with nothing to pick: calls wait, or fail with the
// reasons.
type Refusal struct {
	// Room is the set's room.
	Room *Room
	// Wait makes calls wait.
	Wait bool
	// Plain is the reason, if it is not that of the endpoints. It is not a status
	// error.
	Plain error
}

// Pick implements balancer.Picker. The error is never a status error: that would end
// the calls that are willing to wait.
func (p *Refusal) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if p.Plain != nil {
		return balancer.PickResult{}, p.Plain
	}
	r := attempt.From(info.Ctx)
	if r.IsHedge() {
		return balancer.PickResult{}, errNoOther
	}
	r.Refused(p.Room.source.Explain)
	if p.Wait || p.Room.source.Stale() {
		return balancer.PickResult{}, balancer.ErrNoSubConnAvailable
	}
	return balancer.PickResult{}, p.Room.source.Explain()
}
