// Command cantonlb shows the endpoints of a service that runs in several copies:
// which of them would be picked, and why the others would not.
//
//	cantonlb check   static:///seq1.example.com:5001,seq2.example.com:5001
//	cantonlb watch   --config lb.yaml
//	cantonlb explain --config lb.yaml seq2
//	cantonlb status  http://localhost:8080/debug/endpoints
//	cantonlb run     --lease postgres://db.example.com/leases --name pink -- trigger-service
//
// run is another matter: it runs a program on one machine of several, see package
// lease/process.
//
// # Why
//
// Before a client is deployed, and during an incident, an operator needs to know
// what the client sees from its machine, with its certificates and its settings.
// The command is such a client: it connects and probes as any program that imports
// cantonlb does. It makes no calls except the probes.
//
// # Defaults
//
// Addresses without http:// or https:// are TLS, verified with the system's root
// certificates. check and explain wait up to 5 s for the state of each endpoint.
// Output is coloured if it goes to a terminal and NO_COLOR is not set; every colour
// is accompanied by a word.
//
// # Exit codes
//
// The exit codes of check are listed below. explain exits with 0 if an endpoint
// would be picked and with 2 if none would; watch and status exit with 0. With
// --exit-codes probe, check exits as grpc-health-probe does.
//
//	0  all endpoints are healthy, or as many as --min asks for
//	1  some are
//	2  none is
//	3  the usage or the settings are invalid, or the command was interrupted:
//	   nothing is known
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/lease/process"
)

// The exit codes.
const (
	codeAll = iota
	codeSome
	codeNone
	codeUsage
)

// verdict is an error that ends the command with an exit code, after the command
// has written its output.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

func main() {
	process.Guard() // does not return in the guard of a program that run has started
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run is the command, independent of its process.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer, environ []string) int {
	root := newRoot(environ) //nolint:contextcheck // the context comes with ExecuteContext
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[verdict](err); ok {
		return int(code)
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "cantonlb: ")             // the library's errors have the prefix, too
		_, _ = fmt.Fprintf(errs, "cantonlb: %s\n", cleantext.Scrub(text)) // there is nowhere else to report it
		if wantsProbeCodes(args) {
			return probeUsage
		}
		return codeUsage
	}
	return codeAll
}

// version returns the version of the module and of Go with which the command was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(text, s.Value[:min(len(s.Value), 12)]) {
			text += " " + s.Value
		}
	}
	return text + " " + info.GoVersion
}

func newRoot(environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "cantonlb",
		Short: "Show the endpoints of a service that runs in several copies",
		Long: "cantonlb connects to each endpoint of a list and probes it, as a program that imports the library does,\n" +
			"and shows which endpoints would be picked, and why the others would not.",
		Example: `  cantonlb check static:///seq1.example.com:5001,seq2.example.com:5001
  cantonlb watch --config lb.yaml
  cantonlb explain --config lb.yaml seq2
  cantonlb status http://localhost:8080/debug/endpoints
  cantonlb run --lease postgres://db.example.com/leases --name pink -- trigger-service
  cantonlb completion bash > /etc/bash_completion.d/cantonlb`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Version = version()
	root.SetVersionTemplate("cantonlb {{.Version}}\n")
	root.AddCommand(newCheck(environ), newWatch(environ), newExplain(environ), newStatus(environ), newRun())
	return root
}

// coloured returns the output. Colours are removed unless it goes to a terminal
// that supports them and the user wants them.
func coloured(cmd *cobra.Command, environ []string) io.Writer {
	return colorprofile.NewWriter(cmd.OutOrStdout(), environ)
}
