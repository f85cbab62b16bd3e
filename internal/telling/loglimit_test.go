package telling

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestAnEndpointHasABurstOfLinesAndThenOneEachGap(t *testing.T) {
	var l logLimit
	var effects logEffects
	for range Burst {
		l, effects = l.offer(epoch, false)
		assert.Equal(t, logEffects{write: true}, effects)
	}
	l, effects = l.offer(epoch, false)
	assert.Equal(t, logEffects{keep: true}, effects)
	l, effects = l.offer(epoch.Add(time.Second), false)
	assert.Equal(t, logEffects{keep: true}, effects)

	l, effects = l.due(epoch.Add(Gap - 1))
	assert.Zero(t, effects, "it is not yet time")
	assert.Equal(t, epoch.Add(Gap), l.lines.free())
	l, effects = l.due(epoch.Add(Gap))
	assert.Equal(t, logEffects{write: true, omitted: 1}, effects, "the newest is written, and the one before it counted")
	l, effects = l.due(epoch.Add(time.Hour))
	assert.Zero(t, effects, "nothing waits any more")
	assert.False(t, l.idle(epoch.Add(Gap)))
	assert.True(t, l.idle(epoch.Add(time.Hour)))
}

func TestAChangeThatComesWhenALineIsFreeTakesItFromTheOneThatWaits(t *testing.T) {
	var l logLimit
	for range Burst + 2 {
		l, _ = l.offer(epoch, false)
	}
	l, effects := l.offer(epoch.Add(Gap), false)
	assert.Equal(t, logEffects{write: true, omitted: 2}, effects)
	assert.False(t, l.waits)
}

func TestPassingChangesDoNotUseUpTheLinesOfOthers(t *testing.T) {
	var l logLimit
	var effects logEffects
	for range Burst {
		l, effects = l.offer(epoch, true)
		assert.True(t, effects.write)
	}
	l, effects = l.offer(epoch, true)
	assert.Zero(t, effects, "it is left out, and not kept")
	assert.False(t, l.idle(epoch.Add(time.Hour)), "it has yet to be told of")
	l, effects = l.offer(epoch, false)
	assert.Equal(t, logEffects{write: true, omitted: 1}, effects)

	for range Burst {
		l, effects = l.offer(epoch, false)
	}
	assert.True(t, effects.keep)
	_, effects = l.offer(epoch.Add(Burst*Gap), true)
	assert.Zero(t, effects, "an older change waits, which would be written later")
}

// However changes come, each is written or counted, the lines never exceed the
// burst and one each gap, and the newest that matters is never lost.
func TestEveryChangeIsWrittenOrCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l logLimit
		now := epoch
		offered, told, lines := 0, 0, 0
		write := func(effects logEffects, passing bool) {
			if effects.write {
				told += effects.omitted + 1
				if !passing {
					lines++
				}
			}
		}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 15000).Draw(t, "ms")) * time.Millisecond)
			var effects logEffects
			if rapid.Bool().Draw(t, "due") {
				l, effects = l.due(now)
				write(effects, false)
			} else {
				passing := rapid.Bool().Draw(t, "passing")
				l, effects = l.offer(now, passing)
				offered++
				require.False(t, effects.keep && passing)
				write(effects, passing)
			}
			require.Equal(t, offered, told+l.omitted)
			require.LessOrEqual(t, lines, Burst+int(now.Sub(epoch)/Gap))
			require.False(t, l.waits && l.omitted == 0)
		}
		for l.waits {
			now = l.lines.free()
			var effects logEffects
			l, effects = l.due(now)
			require.True(t, effects.write, "what waits is written when it is due")
		}
	})
}
