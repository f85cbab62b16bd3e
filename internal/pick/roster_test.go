package pick

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However a roster changes, it holds what a plain slice would, and the rows that
// it has given stay as they were.
func TestRowsOfARosterNeverChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Roster
		var plain []*Conn
		type taken struct {
			row  Row
			want []*Conn
		}
		var rows []taken
		steps := rapid.SliceOfN(rapid.IntRange(-1000, 1000), 0, 60).Draw(t, "steps")
		for _, step := range steps {
			switch {
			case step < -500: // a row
				rows = append(rows, taken{r.Row(), slices.Clone(plain)})
			case step < 0 && len(plain) > 0:
				for range min(len(plain), -step/10) {
					i := -step % len(plain)
					require.True(t, r.Has(plain[i]))
					r.Remove(plain[i])
					require.False(t, r.Has(plain[i]))
					plain[i] = plain[len(plain)-1]
					plain = plain[:len(plain)-1]
				}
			default:
				for range step / 3 {
					c := new(Conn)
					r.Add(c)
					plain = append(plain, c)
				}
			}
			require.Equal(t, len(plain), r.Len())
			require.True(t, slices.Equal(plain, slices.Collect(r.All())))
		}
		for _, x := range rows {
			require.True(t, slices.Equal(x.want, x.row.Slice()))
		}
	})
}

func TestAChangeAmongManyCopiesLittle(t *testing.T) {
	var r Roster
	for range 5000 {
		r.Add(new(Conn))
	}
	before := r.Row()
	r.Remove(r.At(1000))
	after := r.Row()
	shared := 0
	for i, p := range after.pages {
		if p == before.pages[i] {
			shared++
		}
	}
	assert.Equal(t, len(before.pages)-2, shared)
}

func TestARosterLetsGoOfWhatItNoLongerHolds(t *testing.T) {
	var r Roster
	for range 2*pageSize + 1 {
		r.Add(new(Conn))
	}
	for range 2 * pageSize {
		r.Remove(r.At(0))
	}
	require.Len(t, r.pages, 1)
	for i := 1; i < pageSize; i++ {
		require.Nil(t, r.pages[0].conns[i])
	}
	for c := range r.All() {
		assert.NotNil(t, c)
		break
	}
}
