package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestAnswersOfAPassiveReplicaRaiseADoubtLessAndLessOften(t *testing.T) {
	const base, most = 100 * time.Millisecond, time.Second
	var p Passive
	start := time.Unix(1000, 0)
	var doubts []time.Duration
	for d := time.Duration(0); d < 5*time.Second; d += 10 * time.Millisecond { // an answer each
		var doubt bool
		if p, doubt = p.Next(start.Add(d), base, most); doubt {
			doubts = append(doubts, d/time.Millisecond)
		}
	}
	assert.Equal(t, []time.Duration{0, 100, 300, 700, 1500, 2500, 3500, 4500}, doubts)

	_, doubt := p.Next(start.Add(4900*time.Millisecond), base, most)
	assert.False(t, doubt)
	p, doubt = p.Next(start.Add(6600*time.Millisecond), base, most)
	assert.True(t, doubt)
	assert.Equal(t, base, p.pause, "after a long time without one it starts afresh")
}

func TestDoubtsAboutAPassiveReplicaAreNeverCloserThanTheirPauses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Duration(rapid.IntRange(1, 1000).Draw(t, "base")) * time.Millisecond
		most := base * time.Duration(rapid.IntRange(1, 20).Draw(t, "times"))
		now := time.Unix(1000, 0)
		var p Passive
		var last time.Time
		for range rapid.IntRange(1, 200).Draw(t, "answers") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			before := p
			var doubt bool
			if p, doubt = p.Next(now, base, most); !doubt {
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
