// Command organisations is a client of sequencers that belong to different
// organisations, as those of a decentralised synchronizer do. Each has its own
// certificate authority and token; one is reached in plaintext, and one serves its
// health over HTTP on another port.
//
//	go run ./examples/organisations
//
// It starts three sequencers, and then shows what an operator sees when one has an
// unexpected authority, and when the token of another has expired, while calls
// continue on the rest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/examples/internal/cli"
	"github.com/cantonlb/cantonlb/internal/view"
	"github.com/cantonlb/cantonlb/report"
)

func main() { os.Exit(cli.Main(run)) }

type settings struct {
	pause, timeout time.Duration
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("organisations", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&s.pause, "pause", 2*time.Second, "how long each act lasts")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "how long to wait for the expected status")
	if err := cli.Parse(flags, args); err != nil {
		return s, err
	}
	switch {
	case s.pause <= 0:
		return s, fmt.Errorf("-pause %v: want a duration above zero", s.pause)
	case s.timeout <= 0:
		return s, fmt.Errorf("-timeout %v: want a duration above zero", s.timeout)
	}
	return s, nil
}

func run(ctx context.Context, args []string) (err error) {
	s, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	orgs, err := startAll(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, orgs.close()) }()

	client, err := cantonlb.NewClient(cantonlb.Config{
		Role:      cantonlb.Sequencer,
		Endpoints: orgs.endpoints,
	})
	if err != nil {
		return err
	}
	defer client.Close()

	calls := startCalls(ctx, client)
	err = show(ctx, client, s, orgs)
	calls.stop()
	fmt.Println(calls)
	if err == nil && calls.failed > 0 {
		err = fmt.Errorf("%d calls failed, the first: %w", calls.failed, calls.first)
	}
	if ctx.Err() != nil {
		return nil // Ctrl-C
	}
	return err
}

// show runs the acts. Each changes something, and waits until the client's status
// shows it.
func show(ctx context.Context, client *cantonlb.Client, s settings, orgs *all) error {
	south, west := orgs.list[1], orgs.list[2]
	mistaken := slices.Clone(orgs.endpoints)
	mistaken[0].TLS.RootCAFile = orgs.endpoints[1].TLS.RootCAFile
	for _, act := range []struct {
		title string
		begin func() error
		until map[string]report.Reason // the ineligible endpoints then, with their reasons
	}{
		{
			"each organisation with its own authority and token",
			func() error { return nil },
			nil,
		},
		{
			"north's endpoint has the certificate authority of south",
			func() error { return client.Update(mistaken) }, //nolint:contextcheck // the goroutines that it starts belong to the client
			map[string]report.Reason{"north": report.ReasonHandshakeFailed},
		},
		{
			"north's endpoint is corrected",
			func() error { return client.Update(orgs.endpoints) }, //nolint:contextcheck // the goroutines that it starts belong to the client
			nil,
		},
		{
			"west's token has expired, and its file has not been renewed yet",
			func() error { west.expireToken(); return nil },
			map[string]report.Reason{"west": report.ReasonProbeDenied},
		},
		{
			"west's token is renewed in its file; south hands out another, too",
			func() error { return errors.Join(west.handOut(), south.renewToken()) },
			nil,
		},
	} {
		fmt.Printf("--- %s\n", act.title)
		if err := act.begin(); err != nil {
			return err
		}
		if err := await(ctx, client, s.timeout, act.until); err != nil {
			return fmt.Errorf("%s: %w", act.title, err)
		}
		if !cli.Wait(ctx, s.pause) {
			return nil
		}
		fmt.Print(view.Text(client.Status(), time.Now(), nil))
	}
	return nil
}

// await waits until these endpoints are ineligible, for these reasons, and all
// others are eligible.
func await(ctx context.Context, client *cantonlb.Client, timeout time.Duration, out map[string]report.Reason) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for range client.Subscribe(ctx) { // the first batch comes at once, each later one with a change
		status := client.Status()
		if !slices.ContainsFunc(status.Endpoints, func(e cantonlb.EndpointStatus) bool {
			reason, isOut := out[e.Name]
			return e.Eligible == isOut || isOut && e.Reason != reason
		}) {
			return nil
		}
	}
	return fmt.Errorf("the expected status did not appear: %w\n%s", ctx.Err(), view.Text(client.Status(), time.Now(), nil))
}
