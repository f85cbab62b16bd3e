package share

import (
	"cmp"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name string
		view View
		want Plan
	}{
		{"alone with nothing", View{Me: "a", Holders: []string{"", ""}}, Plan{}},
		{"alone with all", View{Me: "a", Holders: []string{"a", "a", "a"}}, Plan{}},
		{"even", View{Me: "a", Holders: []string{"a", "b"}}, Plan{}},
		{"one more is even", View{Me: "a", Holders: []string{"a", "b", "b"}}, Plan{}},
		{"two more are not", View{Me: "a", Holders: []string{"b", "b"}}, Plan{Want: true}},
		{"asked by one that has none", View{Me: "a", Holders: []string{"a", "a"}, Wanter: "b"}, Plan{Yield: true, Ahead: 2}},
		{"asked for too much", View{Me: "a", Holders: []string{"a", "a", "b"}, Wanter: "b"}, Plan{Ahead: 1}},
		{"a free one comes first", View{Me: "a", Holders: []string{"a", "a", ""}, Wanter: "b"}, Plan{Ahead: 2}},
		{"another one has more", View{Me: "a", Holders: []string{"a", "a", "c", "c", "c"}, Wanter: "b"}, Plan{Ahead: 2}},
		{"of two that have as many the first", View{Me: "c", Holders: []string{"a", "a", "c", "c"}, Wanter: "b"}, Plan{Ahead: 2}},
		{"its own wish", View{Me: "a", Holders: []string{"b", "b"}, Wanter: "a"}, Plan{Want: true}},
	} {
		assert.Equal(t, c.want, Decide(c.view), c.name)
	}
}

func TestTheNewestIsLeftToOthers(t *testing.T) {
	got, ok := Newest([]int{1, 3, 2}, cmp.Compare[int])
	assert.True(t, ok)
	assert.Equal(t, 3, got)
	_, ok = Newest(nil, cmp.Compare[int])
	assert.False(t, ok)
}

// Whatever the names are held by, the wishes of the processes make it even, with no more
// moves than there are leases too many.
func TestItBecomesEvenInFewMoves(t *testing.T) {
	for names := 1; names <= 12; names++ {
		for processes := 1; processes <= 6; processes++ {
			holders := make([]string, names)
			for i := range holders {
				holders[i] = fmt.Sprintf("p%d", i*i%(processes/2+1))
			}
			moves := 0
			for {
				wanter := ""
				for p := range processes {
					if me := fmt.Sprintf("p%d", p); Decide(View{Me: me, Holders: holders}).Want {
						wanter = me
						break
					}
				}
				if wanter == "" {
					break
				}
				yielders := 0
				for p := range processes {
					me := fmt.Sprintf("p%d", p)
					if !Decide(View{Me: me, Holders: holders, Wanter: wanter}).Yield {
						continue
					}
					yielders++
					for i := range holders {
						if holders[i] == me {
							holders[i] = wanter
							break
						}
					}
					break
				}
				assert.Equal(t, 1, yielders, "%s wants, %v", wanter, holders)
				if moves++; moves > names {
					t.Fatalf("%d moves: %v", moves, holders)
				}
			}
			counts := map[string]int{}
			for _, h := range holders {
				counts[h]++
			}
			for p := range processes {
				n := counts[fmt.Sprintf("p%d", p)]
				assert.LessOrEqual(t, n, names/processes+1)
				assert.GreaterOrEqual(t, n, names/processes-1+boolToInt(names%processes == 0))
			}
		}
	}
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
