package quorum_test

import (
	"context"
	"fmt"
	"log/slog"

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
