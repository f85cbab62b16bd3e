package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb"
)

func newWatch(environ []string) *cobra.Command {
	var (
		t      target
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "watch TARGET...",
		Short: "Follow the endpoints live",
		Long: "watch connects to every endpoint, probes it continuously, and shows its state, the reason, the round trips\n" +
			"of its probes and the last 15 minutes. Enter opens and closes an endpoint, the arrows select one; q or Ctrl-C\n" +
			"ends it. Changes of a config file take effect.\n\n" +
			"If the output is not a terminal, or with --json, it writes a line for each change." + targetHelp,
		Example: `  cantonlb watch --plaintext static:///localhost:5001,localhost:5002
  cantonlb watch --config lb.yaml | tee changes.log`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := t.connectOnly(cmd, args)
			if err != nil {
				return err
			}
			defer client.Close()
			in, out := cmd.InOrStdin(), cmd.OutOrStdout()
			switch {
			case asJSON:
				encoder := json.NewEncoder(out)
				return lines(cmd.Context(), client, func(e cantonlb.Event) error { return encoder.Encode(e) })
			case isTerminal(in) && isTerminal(out):
				return show(cmd.Context(), client, in, out, environ)
			default:
				return lines(cmd.Context(), client, func(e cantonlb.Event) error {
					_, err := fmt.Fprintf(out, "%s %v\n", e.At.UTC().Format("2006-01-02T15:04:05.000Z"), e)
					return err
				})
			}
		},
	}
	t.several = true
	t.addTo(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "a line of JSON for each change")
	return cmd
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// follow passes on the client's events, past ones first, until ctx ends.
func follow(ctx context.Context, client client, each func([]cantonlb.Event) error) error {
	for batch := range client.SubscribeFrom(ctx, 1) {
		if err := each(batch.Events); err != nil {
			return err
		}
	}
	return nil
}

// lines writes a line for each event.
func lines(ctx context.Context, client client, write func(cantonlb.Event) error) error {
	return follow(ctx, client, func(events []cantonlb.Event) error {
		for _, e := range events {
			if err := write(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// show shows the screen until the user quits or ctx ends.
func show(ctx context.Context, client client, in io.Reader, out io.Writer, environ []string) error {
	ctx, cancel := context.WithCancel(ctx)
	model := newScreen(client.Status, time.Now)
	if s, ok := client.(*shards); ok {
		model.router = s.router.Status
	}
	program := tea.NewProgram(model,
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithEnvironment(environ), tea.WithoutSignalHandler())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		_ = follow(ctx, client, func(events []cantonlb.Event) error { // ends with ctx
			program.Send(newsMsg(events))
			return nil
		})
	}()
	_, err := program.Run()
	cancel()
	<-followed
	if errors.Is(err, context.Canceled) { // a signal
		return nil
	}
	return err
}

// lookEvery is the time between two looks at the status, if nothing happens.
const lookEvery = 500 * time.Millisecond
