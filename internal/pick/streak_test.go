package pick

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb/report"
)

// Failures that end at the same time, answered or not, are all counted.
func TestFailuresAtTheSameTimeDoNotInterruptEachOther(t *testing.T) {
	room := NewRoom(nil)
	room.EjectAfter(1 << 20)
	c := new(Conn)
	c.Init(room, nil, "a", "a:1", false)
	done := c.done
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 1000 {
				done(balancer.DoneInfo{BytesSent: true, Err: status.Error(codes.Unavailable, ""), BytesReceived: i%2 == 0})
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 8000, c.streak.n)
	assert.Equal(t, report.CallStats{Picked: 0, InFlight: ^uint64(7999), Heard: 4000, Failed: 8000}, c.Counts())
	c.Forgive()
	done(balancer.DoneInfo{BytesSent: true, Err: status.Error(codes.Unavailable, "")})
	assert.Equal(t, 1, c.streak.n)
}

func TestFailuresInARowEndWithAnAnswer(t *testing.T) {
	for name, answer := range map[string]balancer.DoneInfo{
		"that is good":           {BytesReceived: true},
		"that is the call's own": {BytesReceived: true, Err: status.Error(codes.NotFound, "")},
	} {
		t.Run(name, func(t *testing.T) {
			c := new(Conn)
			c.Init(NewRoom(nil), owner{}, "a", "a:1", false)
			c.room.EjectAfter(1 << 20)
			done := c.done
			failure := balancer.DoneInfo{BytesSent: true, Err: status.Error(codes.Unavailable, ""), BytesReceived: true}
			for range 3 {
				done(failure)
			}
			done(balancer.DoneInfo{})                                      // a lost pick says nothing
			done(balancer.DoneInfo{Err: status.Error(codes.Canceled, "")}) // nor does a call given up
			done(failure)
			assert.Equal(t, 4, c.streak.n)
			done(answer)
			done(failure)
			assert.Equal(t, 1, c.streak.n)
		})
	}
}

// owner hears of what calls find out, and does nothing.
type owner struct{}

func (owner) CallsFail()                        {}
func (owner) TrialEnds(bool)                    {}
func (owner) AnswerSpeaksAgainst(report.Reason) {}
func (owner) PickedLate()                       {}
