package pick

import (
	"context"
	"testing"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/attempt"
)

// BenchmarkPick is one pick and its end. The suite pick of internal/bench compares it
// with those of other policies.
func BenchmarkPick(b *testing.B) {
	record := new(attempt.Record)
	for name, snapshot := range map[string]Snapshot{"round robin": {}, "least loaded": {Least: true}} {
		b.Run(name, func(b *testing.B) { benchmarkPick(b, nil, snapshot) })
		b.Run(name+", with a record", func(b *testing.B) { benchmarkPick(b, record, snapshot) })
	}
}

func benchmarkPick(b *testing.B, record *attempt.Record, snapshot Snapshot) {
	b.Helper()
	room := NewRoom(nil)
	room.EjectAfter(5)
	var p balancer.Picker = NewPicker(room, RowOf(newConns(room, 3)), nil, snapshot)
	info := balancer.PickInfo{FullMethodName: "/a.B/C", Ctx: context.Background()}
	b.ReportAllocs()
	for b.Loop() {
		if record != nil {
			*record = attempt.Record{Rescuable: true}
			info.Ctx = attempt.NewContext(context.Background(), record) //nolint:fatcontext // it is not nested
		}
		r, err := p.Pick(info)
		if err != nil {
			b.Fatal(err)
		}
		r.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
	}
}
