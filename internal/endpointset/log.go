package endpointset

import (
	"time"

	"google.golang.org/grpc/grpclog"

	"github.com/cantonlb/cantonlb/healthcheck"
)

var logger = grpclog.Component("cantonlb")

// logTransition writes the one line of a transition. A suspicion that comes and
// goes changes nothing for the calls, and is for those only who want to know all.
func (s *Set) logTransition(t healthcheck.Transition) {
	passing := t.To == healthcheck.Suspect || t.From == healthcheck.Suspect && t.To == healthcheck.Healthy
	if passing && !logger.V(2) {
		return
	}
	detail := ""
	if t.Detail != "" {
		detail = ": " + t.Detail
	}
	logger.Infof("%s: endpoint %q: %s -> %s (%s%s) after %v",
		s.policy, t.Target, t.From, t.To, t.Reason, detail, t.Held.Round(time.Millisecond))
}
