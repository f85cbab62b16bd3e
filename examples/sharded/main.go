// Command sharded shows a program whose parties are spread over two participant services.
// Each service has two replicas, of which one is active, and two servers of its JSON API;
// all of them are processes. The program makes requests over gRPC and HTTP for four
// parties, without saying where they are: a shard.Router finds out. Meanwhile an active
// replica and a JSON API server are killed. At the end a table shows who has answered
// what, and the ledgers are compared with what was accepted.
//
//	go run ./examples/sharded
//
// The parts that your program would contain are connect in services.go and load.go; the
// rest is servers, faults and counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/examples/internal/participant"
	"github.com/cantonlb/cantonlb/shard"
)

func main() {
	participant.RunIfReplica() // this process may be one of the servers
	runIfJSON()
	os.Exit(cli.Main(run))
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("sharded", flag.ContinueOnError)
	pause := flags.Duration("pause", 2*time.Second, "time between the steps")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	if *pause <= 0 {
		return fmt.Errorf("-pause %v: want a duration above zero", *pause)
	}
	var services []*service
	defer func() {
		for _, s := range services {
			err = errors.Join(err, s.close())
		}
	}()
	for _, x := range []struct {
		name    string
		parties []string
	}{
		{"north", []string{"alice::1220demo", "anna::1220demo"}},
		{"south", []string{"bob::1220demo", "ben::1220demo"}},
	} {
		s, err := start(ctx, x.name, x.parties...)
		if err != nil {
			return err
		}
		services = append(services, s)
	}
	return work(ctx, services, *pause)
}

// work makes requests while the servers are disturbed.
func work(ctx context.Context, services []*service, pause time.Duration) (err error) {
	shards := make(map[string]shard.Shard)
	defer func() { //nolint:contextcheck // the clients end by themselves
		for _, x := range shards {
			err = errors.Join(err, disconnect(x))
		}
	}()
	var parties []string
	for _, s := range services {
		x, err := s.connect() //nolint:contextcheck // the clients outlive the call
		if err != nil {
			return err
		}
		shards[s.name] = x
		parties = append(parties, s.parties...)
	}
	router, err := shard.New(shards, shard.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, router.Close()) }()
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%6.2fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	submitting, stop := context.WithCancel(ctx)
	defer stop()
	l := startLoad(ctx, submitting, router, parties)
	north, south := services[0], services[1]
	for _, step := range []func() error{
		func() error {
			say("requests for %d parties, which are looked up", len(parties))
			return nil
		},
		func() error {
			say("%s, the active replica of %s, is killed (SIGKILL): %s takes over", north.replicas[0].Name, north.name, north.replicas[1].Name)
			return north.replicas[0].Kill()
		},
		func() error {
			say("%s, a JSON API server of %s, is killed (SIGKILL)", south.json[0].name, south.name)
			return south.json[0].process.Kill()
		},
		func() error { return refused(ctx, l, parties, say) },
	} {
		if err := step(); err != nil {
			return err
		}
		if !cli.Wait(ctx, pause) {
			break
		}
	}
	stop()
	l.wg.Wait()
	if ctx.Err() != nil {
		return nil // Ctrl-C, which is no failure of the requests
	}
	return report(ctx, os.Stdout, l, services)
}

// refused makes requests that belong to no service, or to both: they are not sent.
func refused(ctx context.Context, l *load, parties []string, say func(string, ...any)) error {
	_, err := l.router.For(ctx, "carol::1220demo")
	if _, nowhere := errors.AsType[*shard.NowhereError](err); !nowhere {
		return fmt.Errorf("a party that is nowhere: %w", err)
	}
	say("a party that is nowhere is refused: %v", err)
	both := shard.WithParty(ctx, parties[0])
	err = l.get(both, parties[len(parties)-1], "")
	split, ok := errors.AsType[*shard.SplitError](err)
	if !ok {
		return fmt.Errorf("parties of two services: %w", err)
	}
	say("parties of two services are refused: %v", split)
	return nil
}
