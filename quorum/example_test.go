package quorum_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/quorum"
)

// Seven members, of which two lie together and one is down.
func ExampleRead() {
	answers := map[string]string{
		"org1": "round 41", "org2": "round 41", "org3": "round 41", "org4": "round 41",
		"org5": "round 99", "org6": "round 99",
	}
	var list []quorum.Member
	for i := range 7 {
		list = append(list, quorum.Member{Name: fmt.Sprintf("org%d", i+1)})
	}
	members, err := quorum.NewMembers(list, quorum.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer members.Close()

	answer, verdict, err := quorum.Read(context.Background(), members, quorum.Config{Ask: 7},
		func(_ context.Context, m quorum.Member) (string, error) {
			a, up := answers[m.Name]
			if !up {
				return "", fmt.Errorf("%s is down", m.Name)
			}
			return a, nil
		},
		func(answer string) string { return answer })
	fmt.Println(answer, err)
	fmt.Println(len(verdict.Names(quorum.OutcomeAgreed)), "agreed, of", verdict.Agree, "wanted")
	// Output:
	// round 41 <nil>
	// 3 agreed, of 3 wanted
}

// A stub that takes the members as one connection.
func ExampleNewConn() {
	members, err := quorum.Dial(cantonlb.Config{
		Role: cantonlb.Sequencer,
		Endpoints: []cantonlb.Endpoint{
			{Name: "org1", Address: "https://sequencer.org1.example.com:5001"},
			{Name: "org2", Address: "https://sequencer.org2.example.com:5001"},
			{Name: "org3", Address: "https://sequencer.org3.example.com:5001"},
			{Name: "org4", Address: "https://sequencer.org4.example.com:5001"},
		},
	}, quorum.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer members.Close()
	conn, err := quorum.NewConn(members, quorum.ConnConfig{
		Methods: []string{"/grpc.health.v1.Health/Check"}, // in your program: its reads
		Answers: []codes.Code{codes.NotFound},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stub := healthpb.NewHealthClient(conn) // as with any connection
	_ = stub
}

// memory is a stream of a member that lives in this program.
type memory struct{ events []string }

func (m *memory) Recv() (string, error) {
	if len(m.events) == 0 {
		return "", io.EOF
	}
	next := m.events[0]
	m.events = m.events[1:]
	return next, nil
}

// Four members, one of which has another past from the second event on.
func ExampleNewStream() {
	members, err := quorum.NewMembers([]quorum.Member{{Name: "org1"}, {Name: "org2"}, {Name: "org3"}, {Name: "org4"}},
		quorum.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer members.Close()
	stream, err := quorum.NewStream(context.Background(), members, quorum.StreamConfig[string, string]{
		Open: func(_ context.Context, m quorum.Member, _ *string) (quorum.Receiver[string], error) {
			events := []string{"12:00 Alice pays", "12:01 Bob pays", "12:02 Carol pays"}
			if m.Name == "org2" {
				events[1] = "12:01 Mallory is paid"
			}
			return &memory{events}, nil
		},
		Position: func(e string) string { return e[:5] }, // the record time
		Key:      func(e string) string { return e },
		Finite:   true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stream.Close()
	for {
		event, err := stream.Recv()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(event)
	}
	// Output:
	// 12:00 Alice pays
	// 12:01 Bob pays
	// 12:02 Carol pays
	// EOF
}
