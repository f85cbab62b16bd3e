package hedge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestACallIsHedgedOnceItsNewestAttemptOutlastsTheDelay(t *testing.T) {
	const now, delay = 10 * time.Second, 20 * time.Millisecond
	for name, c := range map[string]struct {
		call Call
		wait time.Duration
		ok   bool
	}{
		"an attempt that has just begun":   {Call{Max: 3, Sent: 1, InFlight: true, Picked: now}, delay, true},
		"one that is halfway":              {Call{Max: 3, Sent: 1, InFlight: true, Picked: now - delay/2}, delay / 2, true},
		"one that outlasts it":             {Call{Max: 3, Sent: 1, InFlight: true, Picked: now - delay}, 0, true},
		"one that has outlasted it":        {Call{Max: 3, Sent: 2, InFlight: true, Picked: now - time.Hour}, 0, true},
		"no endpoint yet":                  {Call{Max: 3}, delay, true},
		"the newest attempt failed":        {Call{Max: 3, Sent: 1, Picked: now - time.Second}, delay, true},
		"all attempts are made":            {Call{Max: 2, Sent: 2, InFlight: true, Picked: now - time.Hour}, 0, false},
		"one attempt only":                 {Call{Max: 1, Sent: 1, InFlight: true, Picked: now - time.Hour}, 0, false},
		"a server refuses another attempt": {Call{Max: 3, Sent: 1, InFlight: true, Picked: now - time.Hour, Refused: true}, 0, false},
		"a server asks for a pause":        {Call{Max: 3, Sent: 1, InFlight: true, Picked: now - time.Hour, NotBefore: now + time.Second}, time.Second, true},
		"the pause is over":                {Call{Max: 3, Sent: 1, InFlight: true, Picked: now - time.Hour, NotBefore: now - 1}, 0, true},
	} {
		wait, ok := c.call.Next(now, delay)
		assert.Equal(t, c.ok, ok, name)
		assert.Equal(t, c.wait, wait, name)
	}
}

// Whatever happens to a call, its attempts never exceed the bound, none comes before
// the delay or a server's pause is over, and none at all after a refusal.
func TestTheHedgesOfACallStayWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 6).Draw(t, "max")
		delay := time.Duration(rapid.IntRange(1, 100).Draw(t, "delay")) * time.Millisecond
		c, now := Call{Max: most, Sent: 1, InFlight: true}, time.Duration(0)
		send := func() { c.Sent, c.InFlight, c.Picked = c.Sent+1, true, now }
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"wait", "fail", "retry", "pause", "refuse"}).Draw(t, "what") {
			case "wait":
				wait, ok := c.Next(now, delay)
				if !ok {
					if !c.Refused && c.Sent < most {
						t.Fatalf("no hedge, although %+v", c)
					}
					continue
				}
				now += wait
				if again, _ := c.Next(now, delay); c.InFlight && again != 0 {
					t.Fatalf("the wait of %v was too short by %v", wait, again)
				}
				if c.InFlight {
					if now < c.Picked+delay || now < c.NotBefore || c.Refused {
						t.Fatalf("a hedge at %v of %+v", now, c)
					}
					send()
				}
			case "fail":
				c.InFlight = false
			case "retry":
				if !c.InFlight && c.Sent < most {
					send()
				}
			case "pause":
				c.NotBefore = max(c.NotBefore, now+time.Duration(rapid.IntRange(0, 1000).Draw(t, "pause"))*time.Millisecond)
			case "refuse":
				c.Refused = true
			}
			if c.Sent > most {
				t.Fatalf("%d attempts of at most %d", c.Sent, most)
			}
		}
	})
}
