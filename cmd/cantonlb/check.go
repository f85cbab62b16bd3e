package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/report"
)

const defaultTimeout = 5 * time.Second

func newCheck(environ []string) *cobra.Command {
	var (
		t       target
		timeout time.Duration
		asJSON  bool
		quiet   bool
		least   int
		strict  bool
		output  string
		codes   string
	)
	cmd := &cobra.Command{
		Use:   "check TARGET...",
		Short: "Probe every endpoint once",
		Long: "check connects to every endpoint, probes it once, and shows the results as a table.\n\n" +
			"The exit code is 0 if all endpoints are healthy, 1 if some are, 2 if none is, and 3 if nothing could be\n" +
			"checked. With a file of shards it is about shards, and --min is a number of them. Of active-passive replicas\n" +
			"only the active one is healthy: use --min 1 for them. With --exit-codes probe it is that of\n" +
			"grpc-health-probe: 1 invalid usage, 2 no connection, 3 a probe failed, 4 not serving." + targetHelp,
		Example: `  # all sequencers, over TLS with an authority of one's own
  cantonlb check --role sequencer --ca ca.pem static:///seq1.example.com:5001,seq2.example.com:5001

  # a cron job that says something only if something is wrong
  cantonlb check --quiet --config lb.yaml

  # the shards of a file, their clients, and who is on them
  cantonlb check --config shards.yaml

  # the exec probe of a pod that needs one participant
  cantonlb check --quiet --min 1 --timeout 2s --plaintext --role participant_ledger static:///p1:5001,p2:5001`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return fmt.Errorf("--timeout %v: want a duration above zero", timeout)
			}
			if !slices.Contains(exitCodes, codes) {
				return fmt.Errorf("--exit-codes %q: want one of %s", codes, strings.Join(exitCodes, ", "))
			}
			show, ok := outputs[output]
			if !ok {
				return fmt.Errorf("--output %q: want json, table or wide", output)
			}
			client, err := t.connectOnly(cmd, args)
			if err != nil {
				return err
			}
			defer client.Close()
			if err := checkable(client, least, codes); err != nil {
				return err
			}
			status, err := await(cmd.Context(), client, timeout)
			if err != nil {
				return err
			}
			document, code := report.Document{Status: status}, judge(status, least, strict)
			if router, ok := client.(*shards); ok {
				document.Routers, code = []report.RouterStatus{router.router.Status()}, router.judge(least, strict)
			}
			if quiet && code == codeAll {
				return nil
			}
			if asJSON {
				show = outputs["json"]
			}
			if err := show(coloured(cmd, environ), document); err != nil {
				return err
			}
			if codes == probeCodes {
				code = probeCode(status, code)
			}
			return code.orNil()
		},
	}
	t.several = true
	t.addTo(cmd)
	addOutput(cmd, &output)
	cmd.Flags().StringVar(&codes, "exit-codes", exitCodes[0], "which exit codes: "+strings.Join(exitCodes, " or ")+", those of grpc-health-probe")
	complete(cmd, "exit-codes", cobra.FixedCompletions(exitCodes, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().DurationVar(&timeout, "timeout", defaultTimeout, "how long to wait for the state of each endpoint")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as -o json")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no output if the exit code is 0")
	cmd.Flags().IntVar(&least, "min", 0, "how many healthy endpoints are enough for exit code 0; 0 for all")
	cmd.Flags().BoolVar(&strict, "strict", false, "exit code 1 if an endpoint is healthy only because it is connected, as without a health service")
	return cmd
}

// checkable returns an error if flags of check do not fit what is to be checked.
func checkable(c client, least int, codes string) error {
	router, sharded := c.(*shards)
	n := len(c.Status().Endpoints)
	if sharded {
		n = len(router.router.Shards())
	}
	switch {
	case least < 0 || least > n:
		return fmt.Errorf("--min %d: want 1 to %d, the length of the list; 0 for all", least, n)
	case sharded && codes == probeCodes:
		return fmt.Errorf("--exit-codes %s: want %s for shards", probeCodes, exitCodes[0])
	}
	return nil
}

// judge returns the exit code of a status. With strict, an endpoint of which only the
// connection is checked prevents exit code 0.
func judge(s cantonlb.Status, least int, strict bool) verdict {
	if least == 0 {
		least = len(s.Endpoints)
	}
	switch n := s.Eligible(); {
	case n >= least && strict && slices.ContainsFunc(s.Endpoints, cantonlb.EndpointStatus.Unchecked):
		return codeSome
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
		if s := client.Status(); decided(s) && known(client) {
			return s, nil
		}
	}
	if ctx.Err() != nil {
		return cantonlb.Status{}, errors.New("interrupted before the state of every endpoint was known")
	}
	return client.Status(), nil
}

// known reports whether a client that has more to tell than its status knows it.
func known(c client) bool {
	k, ok := c.(interface{ known() bool })
	return !ok || k.known()
}

// decided reports whether the state of every endpoint is known: by a verdict, or
// because the first attempt to connect failed.
func decided(s cantonlb.Status) bool {
	for _, e := range s.Endpoints {
		if e.State == cantonlb.StateUnknown || e.State == cantonlb.StateConnecting {
			return false
		}
	}
	return true
}
