package endpointset

import (
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
)

// answersPassive hears of a call that was answered by a passive replica: the
// endpoint becomes suspect, and is probed at once. That is all, since the answer is
// about one service of the node, and the probe's about the node. If the two go on
// to disagree, there is one such probe each suspectInterval. It comes from a call
// that ends, and takes Set.mu.
func (s *Set) answersPassive(c *conn) {
	s.mu.Lock()
	defer s.unlock()
	e := c.endpoint
	if s.closed || e.conn != c || e.checker == nil || e.health.state != healthcheck.Healthy {
		return
	}
	now := time.Now()
	if now.Sub(c.passive) < s.cfg.HealthCheck.SuspectInterval {
		return
	}
	c.passive = now
	s.after = append(s.after, func() { e.checker.Doubt(healthcheck.ReasonPassiveReplica) })
}
