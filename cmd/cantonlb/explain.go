package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb"
	"github.com/cantonlb/cantonlb/internal/view"
)

func newExplain(environ []string) *cobra.Command {
	var (
		t       target
		timeout time.Duration
		asJSON  bool
		subject subjects
	)
	cmd := &cobra.Command{
		Use:   "explain TARGET [NAME]...",
		Short: "Explain which endpoints would be picked and which would not",
		Long: "explain connects to every endpoint, probes it, and reports for each, or for the named ones, whether calls\n" +
			"would go there: which conditions are met, and what is known about the others. With --party or --user and a file of\n" +
			"shards it asks each shard about the party or the user, and reports what it says and where requests of each kind go.\n\n" +
			"The exit code is 0 if one of them would be picked, 2 if none would, and 3 if nothing is known." + targetHelp,
		Example: `  cantonlb explain --plaintext static:///localhost:5001,localhost:5002
  cantonlb explain --config lb.yaml seq2
  cantonlb explain --config shards.yaml --party alice::1220af31
  cantonlb explain --config shards.yaml --user ann`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout <= 0 {
				return fmt.Errorf("--timeout %v: want a duration above zero", timeout)
			}
			client, names, err := t.connect(cmd, args)
			if err != nil {
				return err
			}
			defer client.Close()
			if flag := subject.flag(); flag != "" {
				router, ok := client.(*shards)
				if !ok || len(names) > 0 {
					return fmt.Errorf("%s: want it with --config and a file of shards, and without the name of an endpoint", flag)
				}
				return router.explain(cmd.Context(), coloured(cmd, environ), subject, timeout, asJSON)
			}
			status, err := await(cmd.Context(), client, timeout)
			if err != nil {
				return err
			}
			explanations, code, err := explanationsOf(status, names)
			if err != nil {
				return err
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				err = encoder.Encode(explanations)
			} else {
				err = printAll(cmd, environ, explanations)
			}
			if err != nil {
				return err
			}
			return code.orNil()
		},
	}
	t.addTo(cmd)
	cmd.ValidArgsFunction = t.names
	cmd.Flags().DurationVar(&timeout, "timeout", defaultTimeout, "how long to wait for the state of each endpoint")
	cmd.Flags().BoolVar(&asJSON, "json", false, "JSON in place of text")
	cmd.Flags().StringArrayVar(&subject.parties, "party", nil, "`ID` of a party: which shard of the file hosts it, and where its requests go")
	cmd.Flags().StringArrayVar(&subject.users, "user", nil, "`ID` of a user: which shard of the file has it, and where its requests go")
	complete(cmd, "party", cobra.NoFileCompletions)
	complete(cmd, "user", cobra.NoFileCompletions)
	return cmd
}

// explanationsOf returns why these endpoints are picked or not picked, or all if there are
// none, and the exit code of explain.
func explanationsOf(status cantonlb.Status, names []string) ([]view.Explanation, verdict, error) {
	if len(names) == 0 {
		for _, e := range status.Endpoints {
			names = append(names, e.Name)
		}
	}
	explanations := make([]view.Explanation, 0, len(names))
	code := verdict(codeNone)
	for _, name := range names {
		e, ok := view.Explain(status, name, time.Now())
		if !ok {
			return nil, code, fmt.Errorf("endpoint %q: want the name of one in the list, such as %q", name, status.Endpoints[0].Name)
		}
		if e.Picked {
			code = codeAll
		}
		explanations = append(explanations, e)
	}
	return explanations, code, nil
}

func printAll(cmd *cobra.Command, environ []string, explanations []view.Explanation) error {
	out := coloured(cmd, environ)
	for i, e := range explanations {
		if i > 0 {
			if _, err := fmt.Fprintln(out); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprint(out, e.Text(paintMet)); err != nil {
			return err
		}
	}
	return nil
}
