package pick

import "math/bits"

// reciprocal returns 2^64 / n, rounded up, modulo 2^64. n is above 0.
func reciprocal(n int) uint64 { return ^uint64(0)/uint64(n) + 1 }

// remainder returns x % n by two multiplications, given the reciprocal of n. They take
// half as long as a division, which would stand between the two atomic operations of
// every pick. The result is exact for all 32-bit numbers: Lemire, Kaser and Kurz,
// "Faster remainder by direct computation" (2019).
func remainder(x uint32, n int, reciprocal uint64) int {
	r, _ := bits.Mul64(reciprocal*uint64(x), uint64(n))
	return int(r)
}
