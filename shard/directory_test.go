package shard

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

var (
	both     = []string{"p1", "p2"}
	epoch    = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	hosted   = fact{standing: StandingHosted, permission: PermissionSubmission}
	absent   = fact{standing: StandingAbsent}
	noAnswer = fact{standing: StandingUnknown, detail: "refused"}
)

func after(d time.Duration) time.Time { return epoch.Add(d) }

func TestWhatIsNotKnownIsAskedAtAllShards(t *testing.T) {
	d := newDirectory(10, 10*time.Second)
	assert.Equal(t, both, d.due("a", both, epoch))
	assert.Equal(t, []Answer{
		{Shard: "p1", Standing: StandingUnknown, Detail: "not asked"}, {Shard: "p2", Standing: StandingUnknown, Detail: "not asked"},
	}, d.answers("a", both))
	d.use("a", epoch)
	assert.Equal(t, both, d.due("a", both, epoch))
	assert.False(t, d.settled("a", "p1"))
	assert.False(t, d.settled("b", "p1"))
	assert.Nil(t, d.parties("b", "p1"))
}

func TestThatNobodyHasItCountsForAWhile(t *testing.T) {
	d := newDirectory(10, 10*time.Second)
	assert.Equal(t, StandingUnknown, d.record("a", "p1", absent, epoch))
	d.record("a", "p2", absent, epoch)
	assert.Empty(t, d.due("a", both, after(9*time.Second)))
	assert.Equal(t, both, d.due("a", both, after(10*time.Second)))
	assert.Equal(t, StandingAbsent, d.record("a", "p2", hosted, after(10*time.Second)))
	assert.Empty(t, d.due("a", both, after(time.Hour)), "one has it")
	assert.Equal(t, []Answer{
		{Shard: "p1", Standing: StandingAbsent}, {Shard: "p2", Standing: StandingHosted, Permission: PermissionSubmission},
	}, d.answers("a", both))
	assert.True(t, d.settled("a", "p2"))
}

func TestAShardThatDoesNotAnswerIsBelievedWhatItSaid(t *testing.T) {
	d := newDirectory(10, 10*time.Second)
	d.record("a", "p1", fact{standing: StandingHosted, permission: PermissionSubmission, parties: []string{"x"}}, epoch)
	d.record("a", "p1", noAnswer, after(time.Minute))
	assert.Equal(t, PermissionSubmission, d.answers("a", both)[0].Permission)
	assert.Empty(t, d.answers("a", both)[0].Detail)
	assert.Equal(t, []string{"x"}, d.parties("a", "p1"))
	assert.Equal(t, 1, d.counts["p1"])

	d.record("b", "p1", noAnswer, epoch)
	assert.Equal(t, Answer{Shard: "p1", Standing: StandingUnknown, Detail: "refused"}, d.answers("b", both)[0])
	d.record("b", "p2", absent, epoch)
	assert.Empty(t, d.due("b", both, after(retryAfter-1)))
	assert.Equal(t, []string{"p1"}, d.due("b", both, after(retryAfter)))
	d.record("b", "p2", hosted, epoch)
	assert.Empty(t, d.due("b", both, after(retryElsewhere-1)))
	assert.Equal(t, []string{"p1"}, d.due("b", both, after(retryElsewhere)))
}

func TestWhatAShardListsIsAskedWhenItIsUsed(t *testing.T) {
	d := newDirectory(2, 10*time.Second)
	assert.True(t, d.list("a", "p1", epoch))
	assert.Equal(t, Answer{Shard: "p1", Standing: StandingHosted, Listed: true}, d.answers("a", both)[0])
	assert.Equal(t, both, d.due("a", both, epoch))
	assert.False(t, d.settled("a", "p1"))
	d.record("a", "p1", noAnswer, epoch)
	d.record("a", "p2", absent, epoch)
	assert.Empty(t, d.due("a", both, epoch))
	d.record("a", "p1", fact{standing: StandingHosted, permission: PermissionObservation}, epoch)
	assert.True(t, d.list("a", "p1", epoch))
	assert.Equal(t, PermissionObservation, d.answers("a", both)[0].Permission, "what it has said itself stays")
	assert.True(t, d.list("b", "p1", epoch))
	assert.False(t, d.list("c", "p1", epoch), "there is no room")
	assert.Equal(t, 2, d.counts["p1"])
}

func TestWhatIsInUseIsRenewed(t *testing.T) {
	d := newDirectory(10, 10*time.Second)
	for i, name := range []string{"old", "new", "newer", "fresh"} {
		d.record(name, "p1", hosted, after(time.Duration(i)))
		d.use(name, after(time.Duration(i)*time.Minute))
	}
	d.record("fresh", "p1", hosted, after(time.Hour))
	assert.Equal(t, []string{"newer", "new"}, d.stale(after(time.Minute), after(time.Second), 10))
	assert.Equal(t, []string{"newer"}, d.stale(after(time.Minute), after(time.Second), 1))
}

func TestAShardIsForgotten(t *testing.T) {
	d := newDirectory(10, 10*time.Second)
	d.record("a", "p1", hosted, epoch)
	d.record("b", "p1", hosted, epoch)
	d.record("b", "p2", hosted, epoch)
	d.use("b", epoch).home = "p1"
	d.forget("p1", true)
	assert.Len(t, d.entries, 1)
	assert.Equal(t, "p1", d.entries["b"].home)
	d.forget("p1", false)
	assert.Empty(t, d.entries["b"].home)
	d.remove("b")
	d.remove("b")
	assert.Empty(t, d.entries)
	assert.Zero(t, d.counts["p2"])
}

func TestAHomeIsForgottenLast(t *testing.T) {
	d := newDirectory(4, 10*time.Second)
	d.use("home", epoch).home = "p1"
	for i := range 100 {
		d.use(fmt.Sprint(i), after(time.Duration(i)*time.Second))
	}
	assert.Len(t, d.entries, 4)
	assert.Contains(t, d.entries, "home")
	assert.Contains(t, d.entries, "99")
	assert.Contains(t, d.entries, "98")
	for i := range 100 {
		d.use(fmt.Sprint(i), after(time.Hour)).home = "p1"
	}
	assert.Len(t, d.entries, 4)
	assert.NotContains(t, d.entries, "home")
	d = newDirectory(2*sampled, 10*time.Second)
	for i := range 100 {
		d.use(fmt.Sprint(i), epoch)
	}
	assert.Len(t, d.entries, 2*sampled)
}

func TestTheCountsAreRightAndWhatIsKeptIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDirectory(5, time.Second)
		name := rapid.StringMatching(`[a-h]`)
		where := rapid.SampledFrom([]string{"p1", "p2", "p3"})
		now := epoch
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "pause"))
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				d.record(name.Draw(t, "name"), where.Draw(t, "shard"), rapid.SampledFrom([]fact{hosted, absent, noAnswer}).Draw(t, "fact"), now)
			case 2:
				d.list(name.Draw(t, "name"), where.Draw(t, "shard"), now)
			case 3:
				d.use(name.Draw(t, "name"), now)
			case 4:
				d.forget(where.Draw(t, "shard"), rapid.Bool().Draw(t, "kept"))
			case 5:
				d.remove(name.Draw(t, "name"))
			}
			counts := map[string]int{}
			for _, e := range d.entries {
				for s, f := range e.facts {
					if f.standing == StandingHosted {
						counts[s]++
					}
				}
			}
			for _, s := range []string{"p1", "p2", "p3"} {
				assert.Equal(t, counts[s], d.counts[s])
			}
			assert.LessOrEqual(t, len(d.entries), 5)
		}
	})
}
