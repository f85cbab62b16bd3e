package endpointset

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func (r *row) slice() []*conn {
	out := make([]*conn, 0, r.n)
	for i := range r.n {
		out = append(out, r.at(i))
	}
	return out
}

// However a roster changes, it holds what a plain slice would, and the rows that
// it has given stay as they were.
func TestRowsOfARosterNeverChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r roster
		var plain []*conn
		type taken struct {
			row  row
			want []*conn
		}
		var rows []taken
		steps := rapid.SliceOfN(rapid.IntRange(-1000, 1000), 0, 60).Draw(t, "steps")
		for _, step := range steps {
			switch {
			case step < -500: // a row
				rows = append(rows, taken{r.row(), slices.Clone(plain)})
			case step < 0 && len(plain) > 0:
				for range min(len(plain), -step/10) {
					i := -step % len(plain)
					last := plain[len(plain)-1]
					require.Same(t, last, r.remove(i))
					plain[i] = last
					plain = plain[:len(plain)-1]
				}
			default:
				for range step / 3 {
					c := new(conn)
					require.Equal(t, len(plain), r.add(c))
					plain = append(plain, c)
				}
			}
			require.Equal(t, len(plain), r.len())
			require.True(t, slices.Equal(plain, slices.Collect(r.all())))
		}
		for _, x := range rows {
			require.True(t, slices.Equal(x.want, x.row.slice()))
		}
	})
}

func TestAChangeAmongManyCopiesLittle(t *testing.T) {
	var r roster
	for range 5000 {
		r.add(new(conn))
	}
	before := r.row()
	r.remove(1000)
	after := r.row()
	shared := 0
	for i, p := range after.pages {
		if p == before.pages[i] {
			shared++
		}
	}
	assert.Equal(t, len(before.pages)-2, shared)
}

func TestARosterLetsGoOfWhatItNoLongerHolds(t *testing.T) {
	var r roster
	for range 2*pageSize + 1 {
		r.add(new(conn))
	}
	for range 2 * pageSize {
		r.remove(0)
	}
	require.Len(t, r.pages, 1)
	for i := 1; i < pageSize; i++ {
		require.Nil(t, r.pages[0].conns[i])
	}
	for c := range r.all() {
		assert.NotNil(t, c)
		break
	}
}
