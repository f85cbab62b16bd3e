package endpointset

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/internal/settings"
)

// passiveAnswer is the end of a call that a passive replica has answered.
var passiveAnswer = balancer.DoneInfo{
	Err: status.Error(codes.Unavailable, "Node is passive"), BytesSent: true, BytesReceived: true,
}

func TestAPassiveAnswerOnThePresentConnectionHasTheEndpointProbed(t *testing.T) {
	unanswered := passiveAnswer
	unanswered.BytesReceived = false
	for name, c := range map[string]struct {
		end    balancer.DoneInfo
		before func(*fixture) // the call ends
		probes int
		change func(*settings.Config)
	}{
		"as it is":                {end: passiveAnswer, probes: 1},
		"not of the server":       {end: unanswered},
		"of a replaced one":       {end: passiveAnswer, before: (*fixture).replaceA},
		"without health checking": {end: passiveAnswer, change: withoutChecks},
	} {
		t.Run(name, func(t *testing.T) {
			change := func(cfg *settings.Config) {
				cfg.HealthCheck.Interval = time.Hour
				if c.change != nil {
					c.change(cfg)
				}
			}
			inBubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.push("a"))
				f.up("a")
				r, err := f.last().Picker.Pick(pickInfo())
				require.NoError(t, err)
				if c.before != nil {
					c.before(f)
				}
				before := f.server("a").checkCalls("")
				r.Done(c.end)
				assert.Equal(t, connectivity.Ready, f.state())
				assert.Equal(t, c.probes, f.server("a").checkCalls("")-before)
			}, change)
		})
	}
}

// replaceA breaks the connection to a, which is made anew.
func (f *fixture) replaceA() {
	f.down(errRefused, "a")
	f.up("a")
}
