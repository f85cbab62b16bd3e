package pick

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARemainderIsExact(t *testing.T) {
	divisors := []uint32{1, 2, 3, 5, 127, 128, 129, 1000, math.MaxInt32 - 1, math.MaxInt32}
	edges := append([]uint32{0, math.MaxInt32 + 1, math.MaxUint32 - 1, math.MaxUint32}, divisors...)
	check := func(n, x uint32) {
		require.Equal(t, int(x%n), remainder(x, int(n), reciprocal(int(n))), "%d modulo %d", x, n)
	}
	for _, n := range divisors {
		for _, x := range edges {
			check(n, x)
			check(n, x-x%n)
			check(n, x-x%n-1)
		}
	}
	for range 100_000 {
		check(max(1, rand.Uint32()>>(1+rand.Uint32()%31)), rand.Uint32())
	}
}
