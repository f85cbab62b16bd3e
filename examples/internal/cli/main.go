package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// ErrUsage is the error for invalid flags, which the flag package has reported
// already.
var ErrUsage = errors.New("wrong flags")

// Main runs an example until it ends or is interrupted, and returns the exit code:
// 0 if it succeeded, help was requested or it was interrupted before it had begun, 2 for
// ErrUsage, and 1 for any other error, which it logs.
func Main(run func(ctx context.Context, args []string) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp), ctx.Err() != nil && errors.Is(err, context.Canceled):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	default:
		slog.Error("the example has failed", "error", err)
		return 1
	}
}

// Parse parses flags, without further arguments. Its error is flag.ErrHelp,
// ErrUsage or one that says what is wrong.
func Parse(flags *flag.FlagSet, args []string) error {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return ErrUsage
	case flags.NArg() > 0:
		return fmt.Errorf("argument %q: want flags only", flags.Arg(0))
	}
	return nil
}
