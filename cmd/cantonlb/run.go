package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/cantonlb/cantonlb/lease/pglease"
	"github.com/cantonlb/cantonlb/lease/process"
)

// leaseKey in the environment is --lease, which may hold a password.
const leaseKey = "CANTONLB_LEASE"

// setupLimit bounds how long the making of the tables may take.
const setupLimit = 30 * time.Second

func newRun() *cobra.Command {
	var (
		cfg     process.Config
		address string
		listen  string
	)
	cmd := &cobra.Command{
		Use:   "run --lease postgres://... --name NAME [flags] -- PROGRAM [ARGUMENT]...",
		Short: "Run a program on one machine of several",
		Long: "run starts the program only while it holds the lease, asks for its health, starts it again when it is\n" +
			"not well, and where that does not help ends it, with all that it has started, and gives the lease up, so\n" +
			"that another machine starts its own. If it loses the lease, the program is killed before another one can\n" +
			"have it, even if cantonlb itself is stopped or killed. The program finds " + process.EnvName + ",\n" +
			process.EnvHolder + " and " + process.EnvToken + " in its environment, and gets SIGHUP, SIGUSR1\n" +
			"and SIGUSR2 that cantonlb gets. The tables in the database are made if they are missing.\n\n" +
			"The exit code is 0 if the program has ended with 0 or cantonlb was told to end, 1 if restarting does not\n" +
			"help, and 3 if the command was used in a wrong way or the database could not be prepared. Have the\n" +
			"service manager start it again, some time later, and it is a candidate again.",
		Example: `  cantonlb run --lease postgres://db.example.com/leases --name pink \
    --health http://127.0.0.1:8088/livez --restart 3 --within 10m -- trigger-service --config pink.conf`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if address == "" {
				address = os.Getenv(leaseKey)
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
			if err := prepare(cmd.Context(), store); err != nil {
				return err
			}
			cfg.Lease.Store, cfg.Command = store, args
			cfg.Lease.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
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
	flags.StringVar(&listen, "listen", "", "the same database without pgbouncer, to hear at once of a lease that is free")
	flags.StringVar(&cfg.Lease.Name, "name", "", "the lease: the same on all machines")
	flags.StringVar(&cfg.Lease.Holder, "holder", "", "this machine, for people; default its host name")
	flags.DurationVar(&cfg.Lease.TTL, "ttl", 10*time.Second, "how long the lease stands after its last renewal")
	flags.StringVar(&cfg.Health, "health", "", "URL of a page that says 200 while the program is well")
	flags.DurationVar(&cfg.StartTime, "start-time", time.Minute, "how long the program may take until it is well")
	flags.IntVar(&cfg.Restart, "restart", 3, "how often a program that is not well is started again; -1 for never")
	flags.DurationVar(&cfg.Within, "within", 10*time.Minute, "in which time it may be started that often")
	flags.DurationVar(&cfg.Grace, "grace", 10*time.Second, "how long the program may take to end after SIGTERM")
	return cmd
}

func connectPool(ctx context.Context, address string) (*pgxpool.Pool, error) {
	wrong := fmt.Errorf("--lease, or %s: want a connection string of PostgreSQL", leaseKey)
	if address == "" {
		return nil, wrong // the variables of libpq alone would be some database, by chance
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

// ended is what the command ends with.
func ended(cmd *cobra.Command, err error) error {
	switch {
	case err == nil, cmd.Context().Err() != nil:
		return nil //nolint:nilerr // it was told to end
	case errors.Is(err, process.ErrNotHelped):
		cmd.PrintErrln("cantonlb:", err)
		return verdict(codeSome)
	default:
		return err
	}
}
