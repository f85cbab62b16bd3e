package shard

import (
	"testing"

	"github.com/cantonlb/cantonlb/internal/testkit"
)

func BenchmarkRoute(b *testing.B) {
	p1, p2 := newParticipant(b, "p1", "alice"), newParticipant(b, "p2", "bob")
	r := newRouter(b, Config{}, p1, p2)
	ctx := testkit.Context(b)
	request := submit(b, "alice")
	for b.Loop() {
		if _, err := r.Route(ctx, r.read("/m", request)); err != nil {
			b.Fatal(err)
		}
	}
}
