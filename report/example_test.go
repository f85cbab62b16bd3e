package report_test

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb/report"
)

func Example() {
	status := report.Status{
		Policy: "healthy_round_robin", State: connectivity.Ready,
		Endpoints: []report.EndpointStatus{
			{Name: "seq1", Eligible: true, State: report.StateHealthy, Reason: report.ReasonServing, Connection: connectivity.Ready},
			{Name: "seq2", State: report.StateUnhealthy, Reason: report.ReasonNotServing, Connection: connectivity.Ready},
		},
	}
	fmt.Println(status)
	if e, ok := status.Endpoint("seq2"); ok && !e.Eligible {
		fmt.Println(e)
	}
	// Output:
	// 1 of 2 endpoints eligible, healthy_round_robin, channel READY: "seq1" healthy (serving), "seq2" unhealthy (not_serving)
	// "seq2" unhealthy (not_serving)
}

func ExampleEvent() {
	e := report.Event{
		Number: 7, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Kind: report.EventEndpoint, Endpoint: "seq1",
		From: report.StateHealthy, To: report.StateUnhealthy, Reason: report.ReasonNotServing, Held: 12 * time.Second,
	}
	fmt.Println(e)
	text, err := json.Marshal(e)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(text))
	// Output:
	// endpoint "seq1": healthy -> unhealthy (not_serving) after 12s
	// {"number":7,"at":"2026-03-01T12:00:00Z","kind":"endpoint","endpoint":"seq1","from":"healthy","to":"unhealthy","reason":"not_serving","heldSeconds":12}
}
