package endpointset

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/settings"
	"github.com/cantonlb/cantonlb/resolver"
)

func TestCallsStayInTheZoneWhileEnoughOfItIsEligible(t *testing.T) {
	for _, c := range []struct {
		eligible, of int
		spillBelow   float64
		want         bool
	}{
		{0, 0, 0.5, false}, {0, 1, 0.001, false}, {1, 1, 1, true},
		{1, 2, 0.5, true}, {1, 3, 0.5, false}, {2, 3, 0.5, true}, {2, 3, 1, false},
		{1, 1000, 0.001, true}, {1, 1001, 0.001, false},
		{3, 2, 1, true}, // one of them is about to leave the list
	} {
		assert.Equal(t, c.want, staysLocal(c.eligible, c.of, c.spillBelow), "%+v", c)
	}
}

func inZone(zone string) func(*settings.Config) { return func(c *settings.Config) { c.Zone = zone } }

func standing(name, zone string) resolver.Endpoint {
	return resolver.Endpoint{Name: name, Address: name + ":1", Zone: zone}
}

// europe is two endpoints in the client's zone, one elsewhere, and one that does
// not say.
func europe(t *testing.T, f *fixture) {
	t.Helper()
	f.pushOurs(t, standing("a", "eu"), standing("b", "eu"), standing("c", "us"), standing("d", ""))
	f.up("a:1", "b:1", "c:1", "d:1")
}

func TestCallsSpillIntoOtherZonesWhenTooFewOfTheirOwnAreEligible(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		europe(t, f)
		assert.Equal(t, []string{"a:1", "b:1"}, f.picked())
		f.server("a:1").set(notServing())
		assert.Equal(t, []string{"b:1"}, f.picked(), "one of two is not below a half")
		assert.False(t, f.set.Status().Spilled)

		f.server("b:1").set(notServing())
		assert.Equal(t, []string{"c:1", "d:1"}, f.picked())
		s := f.set.Status()
		assert.True(t, s.Spilled)
		assert.Equal(t, "eu", s.Zone)
		assert.Equal(t, []string{`too few endpoints of zone "eu" are eligible: calls go to all zones`}, s.Notes)

		f.server("a:1").set(serving())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a:1"}, f.picked())
		assert.False(t, f.set.Status().Spilled)
	}, inZone("eu"))
}

func TestWithAHighShareOneThatIsOutIsEnoughToSpill(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		europe(t, f)
		f.server("a:1").set(notServing())
		assert.Equal(t, []string{"b:1", "c:1", "d:1"}, f.picked(), "all that are eligible")
	}, inZone("eu"), func(c *settings.Config) { c.SpillBelow = 1 })
}

func TestZonesDoNotMatterToAClientWithout(t *testing.T) {
	for name, zone := range map[string]string{"no zone": "", "a zone without endpoints": "asia"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fixture) {
				europe(t, f)
				assert.Equal(t, []string{"a:1", "b:1", "c:1", "d:1"}, f.picked())
				assert.False(t, f.set.Status().Spilled)
			}, inZone(zone))
		})
	}
}

func TestWeightsCountInsideTheZone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		a, b, c := standing("a", "eu"), standing("b", "eu"), standing("c", "us")
		a.Weight, c.Weight = 2, 7
		f.pushOurs(t, a, b, c)
		f.up("a:1", "b:1", "c:1")
		assert.Equal(t, map[string]int{"a:1": 20, "b:1": 10}, f.spread(t, 30))
	}, inZone("eu"))
}

func TestACallThatHasTriedItsZoneGoesToAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		europe(t, f)
		assert.Equal(t, "b:1", f.tried(t, "a"), "its own zone first")
		assert.Contains(t, []string{"c:1", "d:1"}, f.tried(t, "a", "b"))
		assert.Contains(t, []string{"a:1", "b:1"}, f.tried(t, "a", "b", "c", "d"), "rather again than not at all")
	}, inZone("eu"))
}

func TestAStaleSnapshotFallsBackOnOtherZones(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		europe(t, f)
		synctest.Wait()
		stale := f.last().Picker
		f.server("a:1").set(notServing())
		f.server("b:1").set(notServing())
		synctest.Wait()
		r, err := stale.Pick(pickInfo())
		require.NoError(t, err)
		assert.Contains(t, []string{"c:1", "d:1"}, r.SubConn.(*fakeSubConn).address.Addr)
		r.Done(balancer.DoneInfo{})
	}, inZone("eu"))
}

func TestAChangeOfTheClientsZoneIsHeeded(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fixture) {
		europe(t, f)
		f.cfg.Zone = "us"
		europeAgain := []resolver.Endpoint{standing("a", "eu"), standing("b", "eu"), standing("c", "us"), standing("d", "")}
		f.pushOurs(t, europeAgain...)
		assert.Equal(t, []string{"c:1"}, f.picked())
	}, inZone("eu"))
}
