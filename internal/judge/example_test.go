package judge_test

import (
	"fmt"

	"github.com/cantonlb/cantonlb/internal/judge"
	"github.com/cantonlb/cantonlb/report"
)

func ExampleJudge() {
	was := judge.Judge(judge.Facts{Link: judge.Connecting})
	is := judge.Judge(judge.Facts{
		Link: judge.Connected, Channel: judge.Passing, Memory: was.Memory,
		Health: judge.Health{State: report.Healthy, Why: judge.Why{Reason: report.ReasonServing}},
	})
	fmt.Println(was.State, "->", is.State, is.Reason, is.Class == judge.Eligible)
	// Output: connecting -> healthy serving true
}
