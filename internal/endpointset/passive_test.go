package endpointset

import (
	"github.com/cantonlb/cantonlb/internal/settings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"
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

func TestAnswersOfAPassiveReplicaRaiseADoubtLessAndLessOften(t *testing.T) {
	const base, most = 100 * time.Millisecond, time.Second
	var p passive
	start := time.Unix(1000, 0)
	var doubts []time.Duration
	for d := time.Duration(0); d < 5*time.Second; d += 10 * time.Millisecond { // an answer each
		var doubt bool
		if p, doubt = p.next(start.Add(d), base, most); doubt {
			doubts = append(doubts, d/time.Millisecond)
		}
	}
	assert.Equal(t, []time.Duration{0, 100, 300, 700, 1500, 2500, 3500, 4500}, doubts)

	_, doubt := p.next(start.Add(4900*time.Millisecond), base, most)
	assert.False(t, doubt)
	p, doubt = p.next(start.Add(6600*time.Millisecond), base, most)
	assert.True(t, doubt)
	assert.Equal(t, base, p.pause, "after a long time without one it starts afresh")
}

func TestDoubtsAboutAPassiveReplicaAreNeverCloserThanTheirPauses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.IntRange(1, 1000).Draw(t, "base")) * time.Millisecond
		most := base * time.Duration(rapid.IntRange(1, 20).Draw(t, "times"))
		now := time.Unix(1000, 0)
		var p passive
		var last time.Time
		for range rapid.IntRange(1, 200).Draw(t, "answers") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			before := p
			var doubt bool
			if p, doubt = p.next(now, base, most); !doubt {
				assert.Equal(t, before, p)
				assert.Less(t, now.Sub(last), most)
				continue
			}
			assert.GreaterOrEqual(t, now.Sub(last), base)
			assert.True(t, p.pause >= base && p.pause <= most)
			last = now
		}
	})
}
