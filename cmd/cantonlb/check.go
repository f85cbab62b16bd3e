package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/connectivity"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/view"
)

const defaultTimeout = 5 * time.Second

func newCheck(environ []string) *cobra.Command {
	var (
		t       target
		timeout time.Duration
		asJSON  bool
		quiet   bool
		least   int
	)
	cmd := &cobra.Command{
		Use:   "check TARGET",
		Short: "Probe every endpoint once",
		Long: "check connects to every endpoint, probes it once, and shows the results as a table.\n\n" +
			"The exit code is 0 if all endpoints are healthy, 1 if some are, 2 if none is, and 3 if nothing could be\n" +
			"checked. Of active-passive replicas only the active one is healthy: use --min 1 for them." + targetHelp,
		Example: `  # all sequencers, over TLS with an authority of one's own
  cantonlb check --role sequencer --ca ca.pem static:///seq1.example.com:5001,seq2.example.com:5001

  # a cron job that says something only if something is wrong
  cantonlb check --quiet --config lb.yaml

  # the exec probe of a pod that needs one participant
  cantonlb check --quiet --min 1 --timeout 2s --plaintext --role participant_ledger static:///p1:5001,p2:5001`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return fmt.Errorf("--timeout %v: want a duration above zero", timeout)
			}
			client, err := t.connectOnly(cmd, args)
			if err != nil {
				return err
			}
			defer client.Close()
			if n := len(client.Status().Endpoints); least < 0 || least > n {
				return fmt.Errorf("--min %d: want 1 to %d, the length of the list; 0 for all", least, n)
			}
			status, err := await(cmd.Context(), client, timeout)
			if err != nil {
				return err
			}
			code := judge(status, least)
			if quiet && code == codeAll {
				return nil
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				err = encoder.Encode(status)
			} else {
				_, err = fmt.Fprint(coloured(cmd, environ), view.Text(status, time.Now(), painter))
			}
			if err != nil {
				return err
			}
			return code.orNil()
		},
	}
	t.addTo(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", defaultTimeout, "how long to wait for the state of each endpoint")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON in place of the table")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no output if the exit code is 0")
	cmd.Flags().IntVar(&least, "min", 0, "how many healthy endpoints are enough for exit code 0; 0 for all")
	return cmd
}

// judge returns the exit code of a status.
func judge(s cantonlb.Status, least int) verdict {
	if least == 0 {
		least = len(s.Endpoints)
	}
	switch n := s.Eligible(); {
	case n >= least:
		return codeAll
	case n > 0:
		return codeSome
	default:
		return codeNone
	}
}

// orNil returns nil for exit code 0.
func (v verdict) orNil() error {
	if v == codeAll {
		return nil
	}
	return v
}

// await returns the status once the state of every endpoint is known, or at the
// timeout. It returns an error if ctx ends first.
func await(ctx context.Context, client client, timeout time.Duration) (cantonlb.Status, error) {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for range client.Subscribe(within) {
		if s := client.Status(); decided(s) {
			return s, nil
		}
	}
	if ctx.Err() != nil {
		return cantonlb.Status{}, errors.New("interrupted before the state of every endpoint was known")
	}
	return client.Status(), nil
}

// decided reports whether the state of every endpoint is known: by a verdict, or
// because the first attempt to connect failed.
func decided(s cantonlb.Status) bool {
	for _, e := range s.Endpoints {
		switch e.State {
		case cantonlb.StateUnknown:
			return false
		case cantonlb.StateConnecting:
			if e.ConnectionError == "" || e.Connection == connectivity.Ready {
				return false
			}
		default:
		}
	}
	return true
}
