// Command cantonlb looks at the endpoints of a service that runs in several copies:
// which of them would be picked, and why the others would not.
//
//	cantonlb check   static:///seq1.example.com:5001,seq2.example.com:5001
//	cantonlb watch   --config lb.yaml
//	cantonlb explain --config lb.yaml seq2
//	cantonlb run     --lease postgres://db.example.com/leases --name pink -- trigger-service
//
// run is another matter: it runs a program on one machine of several, see package
// lease/process.
//
// # Why
//
// Whoever sets up or operates a client wants to know what it would see, from the
// machine where it will run, with its certificates and its settings. The command is
// that client: it connects and probes as any program that imports cantonlb does. It
// makes no calls of its own but the probes.
//
// # Defaults
//
// Addresses without http:// or https:// are TLS, verified with the system's root
// certificates. check and explain give each endpoint 5 s to show what it is. Output
// is coloured if it goes to a terminal and NO_COLOR is not set; no colour tells
// anything that a word does not.
//
// # Exit codes
//
// Of check; explain ends with 0 if an endpoint would be picked and 2 if none would,
// and watch with 0.
//
//	0  all endpoints are healthy, or as many as --min asks for
//	1  some are
//	2  none is
//	3  the command was used in a wrong way or interrupted, or the settings are bad:
//	   nothing is known
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb/lease/process"
)

// The exit codes.
const (
	codeAll = iota
	codeSome
	codeNone
	codeUsage
)

// verdict ends the command with a code, after it has said all that there is to say.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

func main() {
	process.Guard() // does not return in the guard of a program that run has started
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run is the command, apart from the process that it runs in.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer, environ []string) int {
	root := newRoot(environ) //nolint:contextcheck // it comes with ExecuteContext
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[verdict](err); ok {
		return int(code)
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "cantonlb: ") // the library says it, too
		_, _ = fmt.Fprintf(errs, "cantonlb: %s\n", text)      // there is nowhere else to say it
		return codeUsage
	}
	return codeAll
}

func newRoot(environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "cantonlb",
		Short: "Look at the endpoints of a service that runs in several copies",
		Long: "cantonlb connects to each endpoint of a list and probes it, as a program that imports the library does,\n" +
			"and shows which endpoints would be picked, and why the others would not.",
		Example: `  cantonlb check static:///seq1.example.com:5001,seq2.example.com:5001
  cantonlb watch --config lb.yaml
  cantonlb explain --config lb.yaml seq2
  cantonlb run --lease postgres://db.example.com/leases --name pink -- trigger-service
  cantonlb completion bash > /etc/bash_completion.d/cantonlb`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newCheck(environ), newWatch(environ), newExplain(environ), newRun())
	return root
}

// coloured gives the output, from which colours are taken away unless it goes to a
// terminal that has them, and the user wants them.
func coloured(cmd *cobra.Command, environ []string) io.Writer {
	return colorprofile.NewWriter(cmd.OutOrStdout(), environ)
}
