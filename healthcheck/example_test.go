package healthcheck_test

import (
	"context"
	"fmt"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/report"
)

// A Monitor watches anything that can be asked. Probes that speak gRPC, HTTP or
// TCP are made by DialGRPC, HTTPGet and TCPConnect.
func ExampleNewMonitor() {
	ask := func(context.Context) report.Verdict { return report.Verdict{Outcome: report.Serving} }
	changes := make(chan report.HealthTransition, 1)
	monitor, err := healthcheck.NewMonitor(healthcheck.Config{}, []healthcheck.Target{
		{Name: "database", Probes: healthcheck.Probes{Check: healthcheck.Func("select 1", ask)}},
	}, func(t report.HealthTransition) { changes <- t })
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = monitor.Close() }()
	change := <-changes
	fmt.Println(change.Target, change.From, "->", change.To, "because of", change.Reason)
	// Output: database unknown -> healthy because of serving
}
