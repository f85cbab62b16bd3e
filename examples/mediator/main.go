// Command mediator is a client of a Canton mediator with replicas, of which one is
// active and the others are standbys. Its calls go to the active replica, and
// follow when another one takes over. The nodes report on a separate port whether
// they are active.
//
//	go run ./examples/mediator -endpoints "med1=https://med1.example.com:6002,med2=https://med2.example.com:6002" -health-port 10043
//
// Without -endpoints it starts two replicas. The second one takes over from the
// first after -switch-after, and for a moment both report that they are active.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/view"
)

func main() { os.Exit(cli.Main(run)) }

// settings holds the flags.
type settings struct {
	endpoints                   cli.Endpoints
	security                    cli.Security
	healthPort                  int
	healthURL, serviceName      string
	timeout, interval, duration time.Duration
	switchAfter                 time.Duration
	failBack                    string
	holdDown                    time.Duration
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("mediator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Var(&s.endpoints, "endpoints", "the replicas' APIs, as a `list` name=address,name=address (default: a demo of two)")
	flags.IntVar(&s.healthPort, "health-port", 0, "`port` of monitoring.grpc-health-server, the same on every replica")
	flags.StringVar(&s.healthURL, "health-url", "", `or the URL of monitoring.http-health-server, such as "http://{host}:10044/health"`)
	flags.StringVar(&s.serviceName, "service-name", "", "health `service` to check (default: the one that mediators have)")
	flags.DurationVar(&s.timeout, "timeout", time.Minute, "how long a call may wait for an active replica")
	flags.DurationVar(&s.interval, "interval", 250*time.Millisecond, "time from one call to the next")
	flags.DurationVar(&s.duration, "duration", 0, "when to stop (default: at Ctrl-C; the demo after 6s)")
	flags.DurationVar(&s.switchAfter, "switch-after", 3*time.Second, "when the demo's second replica takes over from the first")
	flags.StringVar(&s.failBack, "fail-back", string(cantonlb.FailBackNever), "never, or afterHold: `when` to go back to the first of the list")
	flags.DurationVar(&s.holdDown, "hold-down", 0, "how long the first must have been healthy before that (default 10s)")
	s.security.AddTo(flags)
	if err := cli.Parse(flags, args); err != nil {
		return s, err
	}
	switch {
	case s.timeout <= 0:
		return s, fmt.Errorf("-timeout %v: want a duration above zero", s.timeout)
	case s.interval <= 0:
		return s, fmt.Errorf("-interval %v: want a duration above zero", s.interval)
	case s.duration < 0:
		return s, fmt.Errorf("-duration %v: want a duration above zero, or 0 for the default", s.duration)
	case s.switchAfter <= 0:
		return s, fmt.Errorf("-switch-after %v: want a duration above zero", s.switchAfter)
	}
	return s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	if len(s.endpoints) == 0 {
		stop, err := startDemo(ctx, &s)
		if err != nil {
			return err
		}
		defer stop()
	}
	opts, err := s.security.DialOptions()
	if err != nil {
		return err
	}

	client, err := cantonlb.NewClient(cantonlb.Config{
		Role:      cantonlb.Mediator, // active-passive, with the health on another port
		Endpoints: s.endpoints,
		Failover:  cantonlb.Failover{FailBack: cantonlb.FailBack(s.failBack), HoldDown: s.holdDown},
		HealthCheck: healthcheck.Config{
			GRPCPort: s.healthPort, // one of the two is needed: a mediator's API does not report its health
			HTTP:     s.healthURL,
			Service:  s.serviceName,
		},
	}, opts...)
	if err != nil {
		return err
	}
	defer client.Close()

	if s.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	telling, tellNoMore := context.WithCancel(ctx)
	var teller sync.WaitGroup
	teller.Go(func() { tell(telling, client) })
	counts := follow(ctx, client, s)
	tellNoMore()
	teller.Wait()
	fmt.Print(view.Text(client.Status(), time.Now(), nil))
	fmt.Println(counts)
	if counts.failed > 0 {
		return fmt.Errorf("%d calls failed", counts.failed)
	}
	return nil
}

// tell prints each switch, and when several replicas claim to be active.
func tell(ctx context.Context, client *cantonlb.Client) {
	for batch := range client.Subscribe(ctx) {
		for _, e := range batch.Events {
			if e.Kind == cantonlb.EventSwitch || e.Kind == cantonlb.EventMultipleActive {
				fmt.Printf("%s %v\n", clock(), e)
			}
		}
	}
}

// follow makes a call every interval until ctx ends, and prints which replica
// answers whenever that changes.
func follow(ctx context.Context, client *cantonlb.Client, s settings) *counts {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	var active string
	total := newCounts(s.endpoints)
	for {
		start := time.Now()
		by, err := call(ctx, client, s)
		switch {
		case err != nil && ctx.Err() != nil:
			return total // interrupted, which is no failure of the call
		case err != nil:
			total.failed++
			fmt.Printf("%s call failed: %v\n", clock(), err)
		default:
			total.answered(by)
			if by != active {
				fmt.Printf("%s %s answers (this call took %v)\n", clock(), by, time.Since(start).Round(time.Microsecond))
				active = by
			}
		}
		select {
		case <-ctx.Done():
			return total
		case <-ticker.C:
		}
	}
}

// call makes one harmless call, and returns which replica answered. Replace the
// health service's stub by your generated stubs: they take the client as they take
// a *grpc.ClientConn.
func call(ctx context.Context, client *cantonlb.Client, s settings) (by string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()

	stub := healthpb.NewHealthClient(client)
	var server peer.Peer
	_, err = stub.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Peer(&server))
	if status.Code(err) == codes.Unimplemented {
		err = nil // answered: a node has its health service on another port
	}
	by, _ = cantonlb.EndpointOf(&server)
	return by, err
}

// clock returns the time of day, for the lines that are printed.
func clock() string { return time.Now().Format("15:04:05.000") }
