package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/lease/process"
)

// leaseKey is the environment variable for --lease, which may hold a password.
const leaseKey = "CANTONLB_LEASE"

// setupLimit bounds how long the creation of the tables may take.
const setupLimit = 30 * time.Second

func newRun() *cobra.Command {
	var (
		cfg     process.Config
		address string
		listen  string
		with    []string
		healths []string
	)
	cmd := &cobra.Command{
		Use:   "run --lease postgres://... --name NAME [flags] -- PROGRAM [ARGUMENT]...",
		Short: "Run a program on one machine of several",
		Long: "run starts the program only while it holds the lease, probes its health, and restarts it when it is not\n" +
			"healthy. If restarts do not help, it ends the program with all its child processes and releases the\n" +
			"lease, so that another machine starts its own. If it loses the lease, the program is killed before another\n" +
			"machine can acquire it, even if cantonlb itself is stopped or killed. The environment of the program has\n" +
			process.EnvName + ", " + process.EnvHolder + " and " + process.EnvToken + ".\n" +
			"Programs of --with run beside it, and are restarted on their own health.\n" +
			"SIGHUP, SIGUSR1 and SIGUSR2 are forwarded to it. Missing tables in the database are created.\n\n" +
			"The exit code is 0 if the program has ended with 0 or cantonlb was asked to end, 1 if restarts do not help,\n" +
			"and 3 if the usage is invalid or the database could not be prepared. If the service manager starts cantonlb\n" +
			"again some time later, it is a candidate again.",
		Example: `  cantonlb run --lease postgres://db.example.com/leases --name pink \
    --health http://127.0.0.1:8088/livez --restart 3 --within 10m -- trigger-service --config pink.conf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no program: want it after the flags, such as -- trigger-service --config pink.conf")
			}
			if err := noZeros(cmd); err != nil {
				return err
			}
			if cfg.Restart == 0 { // which is the default in Go
				cfg.Restart = -1
			}
			if address == "" {
				address = os.Getenv(leaseKey)
			}
			var err error
			if cfg.With, err = companions(with, healths); err != nil {
				return err
			}
			pool, err := connectPool(cmd.Context(), address)
			if err != nil {
				return err
			}
			defer pool.Close()
			store, err := pglease.New(pglease.Config{Pool: pool, Listen: listen})
			if err != nil {
				return err
			}
			cfg.Lease.Store, cfg.Command = store, args
			cfg.Lease.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			if err := cfg.Check(); err != nil {
				return err
			}
			if err := prepare(cmd.Context(), store); err != nil {
				return ended(cmd, err)
			}
			cfg.Stdout, cfg.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			signals := make(chan os.Signal, 8)
			signal.Notify(signals, forwarded...)
			defer signal.Stop(signals)
			cfg.Signals = signals
			return ended(cmd, process.Run(cmd.Context(), cfg))
		},
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.StringVar(&address, "lease", "", "the database with the leases; default $"+leaseKey)
	flags.StringVar(&listen, "listen", "", "the same database without pgbouncer, to be notified at once of a free lease")
	flags.StringVar(&cfg.Lease.Name, "name", "", "the lease: the same on all machines")
	flags.StringVar(&cfg.Lease.Holder, "holder", "", "name of this machine, for people; default its host name")
	flags.DurationVar(&cfg.Lease.TTL, "ttl", 10*time.Second, "how long the lease is valid after its last renewal")
	flags.StringVar(&cfg.Health, "health", "", "URL of a page with status 200 while the program is healthy")
	flags.StringArrayVar(&with, "with", nil, "command of a program that runs beside it, such as an OAuth2 middleware; may be repeated")
	flags.StringArrayVar(&healths, "with-health", nil, "URL of the health of each --with, in the same order; \"\" for none")
	flags.DurationVar(&cfg.StartTime, "start-time", time.Minute, "how long the program may take to become healthy")
	flags.IntVar(&cfg.Restart, "restart", 3, "how often an unhealthy program is restarted within --within; 0 for never")
	flags.DurationVar(&cfg.Within, "within", 10*time.Minute, "the time in which the restarts of --restart are counted")
	flags.DurationVar(&cfg.Grace, "grace", 10*time.Second, "how long the program may take to end after SIGTERM")
	return cmd
}

// noZeros refuses durations of zero, which mean the default in Go, and not what they say.
func noZeros(cmd *cobra.Command) error {
	for _, name := range []string{"ttl", "start-time", "within", "grace"} {
		if d, err := cmd.Flags().GetDuration(name); err != nil || d == 0 {
			return errors.Join(err, fmt.Errorf("--%s %v: want a duration above zero", name, d))
		}
	}
	return nil
}

// companions returns the programs of --with. Each command is one of the shell, which
// the program replaces.
func companions(commands, healths []string) ([]process.Companion, error) {
	if len(healths) > len(commands) {
		return nil, fmt.Errorf("--with-health: given %d times, and --with %d times; want at most one for each --with", len(healths), len(commands))
	}
	var list []process.Companion
	for i, command := range commands {
		if strings.TrimSpace(command) == "" {
			return nil, fmt.Errorf("--with %q: want a command", command)
		}
		c := process.Companion{Command: []string{"sh", "-c", "exec " + command}}
		if i < len(healths) {
			c.Health = healths[i]
		}
		list = append(list, c)
	}
	return list, nil
}

func connectPool(ctx context.Context, address string) (*pgxpool.Pool, error) {
	wrong := fmt.Errorf("--lease, or %s: want a connection string of PostgreSQL", leaseKey)
	if address == "" {
		return nil, wrong // the environment of libpq alone would select an arbitrary database
	}
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		return nil, wrong // err shows the address
	}
	return pool, nil
}

func prepare(ctx context.Context, store *pglease.Store) error {
	ctx, cancel := context.WithTimeout(ctx, setupLimit)
	defer cancel()
	return store.CreateTables(ctx)
}

// ended returns the error that the command ends with.
func ended(cmd *cobra.Command, err error) error {
	switch {
	case err == nil, cmd.Context().Err() != nil:
		return nil //nolint:nilerr // it was asked to end
	case errors.Is(err, process.ErrNotHelped):
		cmd.PrintErrln("cantonlb:", err)
		return verdict(codeSome)
	default:
		return err
	}
}
