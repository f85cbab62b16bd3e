package pick

import (
	"context"
	"testing"

	"google.golang.org/grpc/balancer"
)

// BenchmarkPick is one pick and its end, of a call without a record. The suite pick of
// internal/bench compares it with those of other policies.
func BenchmarkPick(b *testing.B) {
	room := NewRoom(nil)
	room.EjectAfter(5)
	conns := make([]*Conn, 3)
	for i := range conns {
		conns[i] = new(Conn)
		conns[i].Init(room, owner{}, "a", "a:1", false)
		conns[i].SetEligible(true)
	}
	var p balancer.Picker = NewPicker(room, RowOf(conns), nil, Snapshot{})
	info := balancer.PickInfo{FullMethodName: "/a.B/C", Ctx: context.Background()}
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Pick(info)
		if err != nil {
			b.Fatal(err)
		}
		r.Done(balancer.DoneInfo{BytesReceived: true})
	}
}
