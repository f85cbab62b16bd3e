package process

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/lease"
)

// ErrNotHelped is the error of Run when the program failed, and starting it again did not
// help. The lease was released, so that another machine may start its own.
var ErrNotHelped = errors.New("process: restarting does not help")

// The variables in the environment of the program.
const (
	EnvName   = "CANTONLB_LEASE_NAME"   // the lease's name
	EnvHolder = "CANTONLB_LEASE_HOLDER" // its holder
	EnvToken  = "CANTONLB_LEASE_TOKEN"  //nolint:gosec // a fencing token is no secret
)

// Companion is a program that runs beside the one of the Config, such as an OAuth2
// middleware beside a trigger service. It is restarted on its own health, as often as
// Config.Restart says.
type Companion struct {
	// Command is the program and its arguments. Required.
	Command []string
	// Health is the http or https URL of a page that answers with status 200 while it is healthy.
	// Default none: a program that runs is healthy.
	Health string
}

// Config says which program runs under which lease. The zero value of each field but
// Lease and Command means its default.
type Config struct {
	// Lease is the lease. Its Clock must be the default.
	Lease lease.Config
	// Command is the program and its arguments. Required.
	Command []string
	// Stdout and Stderr are the program's, and those of its companions. Default those of
	// this process. Unless they are files, other goroutines write to them: a writer that
	// has several users, such as companions or the handler of a Logger, must be safe for
	// concurrent use.
	Stdout, Stderr io.Writer
	// Health is the http or https URL of a page that answers with status 200 while the program
	// is healthy. Default none: a program that runs is healthy.
	Health string
	// HealthCheck sets how often the page is probed, and how many answers decide. The zero
	// value means the defaults of package healthcheck.
	HealthCheck healthcheck.Config
	// StartTime is how long the program may take to become healthy. Default 60 s.
	StartTime time.Duration
	// Restart is how often a program that has failed is started again within Within.
	// Default 3 within 10 minutes; below 0 for never.
	Restart int
	Within  time.Duration
	// Pause is how long to wait before that. Default 1 s.
	Pause time.Duration
	// Grace is how long the program may take to end after SIGTERM, before its process
	// group is killed. Default 10 s.
	Grace time.Duration
	// With are programs that run beside it, from its first start until it has ended for
	// good. One that ends with code 0 is restarted, too. If restarts of one do not help,
	// all are ended and the lease is released. At most 10.
	With []Companion
	// Signals are forwarded to the program of Command while it runs. Default none.
	Signals <-chan os.Signal
}

// Check returns the error with which Run would refuse the Config: one that names the
// field that is invalid, or errors.ErrUnsupported on a system without process groups.
func (c Config) Check() error {
	if err := supported(); err != nil {
		return err
	}
	if _, err := c.withDefaults(); err != nil {
		return err
	}
	_, err := lease.NewCandidate(c.Lease)
	return err
}

const maxCompanions = 10

func validHealth(address string) bool {
	if address == "" {
		return true
	}
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return c, errors.New("process: Command is empty; want a program and its arguments")
	}
	if c.Lease.Clock != nil {
		return c, errors.New("process: Lease.Clock is set; want the default, which the guard uses, too")
	}
	if !validHealth(c.Health) {
		return c, errors.New("process: Health: want an http or https URL")
	}
	if len(c.With) > maxCompanions {
		return c, fmt.Errorf("process: With: %d programs; want at most %d", len(c.With), maxCompanions)
	}
	for i, w := range c.With {
		if len(w.Command) == 0 || w.Command[0] == "" {
			return c, fmt.Errorf("process: With[%d].Command is empty; want a program and its arguments", i)
		}
		if !validHealth(w.Health) {
			return c, fmt.Errorf("process: With[%d].Health: want an http or https URL", i)
		}
	}
	if _, err := c.HealthCheck.WithDefaults(); err != nil {
		return c, fmt.Errorf("process: HealthCheck: %w", err)
	}
	if c.Restart == 0 {
		c.Restart = 3
	}
	for _, f := range []struct {
		name   string
		value  *time.Duration
		orElse time.Duration
	}{
		{"StartTime", &c.StartTime, time.Minute},
		{"Within", &c.Within, 10 * time.Minute},
		{"Pause", &c.Pause, time.Second},
		{"Grace", &c.Grace, 10 * time.Second},
	} {
		if *f.value < 0 || *f.value > 0 && *f.value < time.Millisecond {
			return c, fmt.Errorf("process: %s %v: want a duration of at least 1ms", f.name, *f.value)
		}
		if *f.value == 0 {
			*f.value = f.orElse
		}
	}
	if c.Stdout == nil {
		c.Stdout = os.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	return c, nil
}
