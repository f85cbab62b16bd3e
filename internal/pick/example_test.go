package pick_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc/balancer"

	"github.com/cantonlb/cantonlb/internal/pick"
	"github.com/cantonlb/cantonlb/report"
)

type nobody struct{}

func (nobody) CallsFail()                        {}
func (nobody) TrialEnds(bool)                    {}
func (nobody) AnswerSpeaksAgainst(report.Reason) {}
func (nobody) PickedLate()                       {}

func ExamplePicker() {
	room := pick.NewRoom(nil)
	room.EjectAfter(5)
	conns := make([]*pick.Conn, 2)
	for i, name := range []string{"seq1", "seq2"} {
		conns[i] = new(pick.Conn)
		conns[i].Init(room, nobody{}, name, name+":5001", false)
		conns[i].SetEligible(true)
	}
	p := pick.NewPicker(room, pick.RowOf(conns), nil, pick.Snapshot{})
	for range 4 {
		r, err := p.Pick(balancer.PickInfo{Ctx: context.Background()})
		if err != nil {
			panic(err)
		}
		r.Done(balancer.DoneInfo{BytesReceived: true})
	}
	fmt.Println(conns[0].Counts().Heard, conns[1].Counts().Heard)
	// Output: 2 2
}
