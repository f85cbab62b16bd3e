package cantonlb_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/healthcheck"
	_ "github.com/cantonlb/cantonlb/resolver" // registers static:///
)

// A client replaces a *grpc.ClientConn: generated stubs take it directly.
func ExampleNewClient() {
	client, err := cantonlb.NewClient(cantonlb.Config{
		Role: cantonlb.Sequencer,
		Endpoints: []cantonlb.Endpoint{
			{Name: "seq1", Address: "https://seq1.example.com:5001"},
			{Name: "seq2", Address: "https://seq2.example.com:5001"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := client.WaitHealthy(ctx, 1); err != nil {
		log.Print(err) // states for each endpoint why it is not healthy
		return
	}
	stub := grpc_health_v1.NewHealthClient(client) // or the stub of your service
	_, err = stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	var none *cantonlb.NoEligibleError
	if errors.As(err, &none) {
		for _, e := range none.Endpoints {
			log.Printf("%s is %s: %s %s", e.Name, e.State, e.Reason, e.Detail)
		}
	}
}

// The replicas of a mediator serve their health on a separate port, which shows which
// one is active.
func ExampleNewClient_mediator() {
	client, err := cantonlb.NewClient(cantonlb.Config{
		Role:         cantonlb.Mediator,
		HealthCheck:  healthcheck.Config{GRPCPort: 10043},
		NoneEligible: cantonlb.Wait, // calls wait during a takeover
		Endpoints: []cantonlb.Endpoint{
			{Name: "mediator-a", Address: "http://10.0.0.1:10042"},
			{Name: "mediator-b", Address: "http://10.0.0.2:10042"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

// NewClient reports what is wrong with a configuration, and what would be right.
func ExampleNewClient_badConfig() {
	_, err := cantonlb.NewClient(cantonlb.Config{Endpoints: []cantonlb.Endpoint{{Name: "seq1", Address: "seq1.example.com"}}})
	fmt.Println(err)
	// Output:
	// cantonlb: endpoints[0].address "seq1.example.com": missing port; want host:port
}

// A plain channel can have the same policy, limits and errors.
func ExampleDialOptions() {
	opts, err := cantonlb.DialOptions(cantonlb.Config{
		HealthCheck: healthcheck.Config{Interval: 5 * time.Second},
		Endpoints:   []cantonlb.Endpoint{{Address: "http://127.0.0.1:5001"}, {Address: "http://127.0.0.1:5002"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := grpc.NewClient("static:///sequencers", opts...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}
