//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/cantonlb/cantonlb/healthcheck"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/lease"
	"github.com/cantonlb/cantonlb/report"
)

// Run runs the program and its companions while this process holds the lease, and goes
// on trying when it was lost. It returns nil when the program has ended with code 0,
// ErrNotHelped when it or a companion fails again and again, the error of ctx when that
// has ended, or one that names the field if cfg is wrong. All programs, with their
// process groups, are gone then.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	logger := cfg.Lease.Logger
	if logger == nil {
		logger = slog.Default()
	}
	all := supervisors(cfg, logger.With("lease", cfg.Lease.Name))
	return lease.Run(ctx, cfg.Lease, all.work)
}

func supported() error { return nil }

// programs are the supervisors of the program and its companions. The first is the
// program's.
type programs []*supervisor

func supervisors(cfg Config, logger *slog.Logger) programs {
	left := new(guard.Left)
	list := programs{{cfg: cfg, log: logger.With("program", cfg.Command[0]), left: left}}
	for _, w := range cfg.With {
		own := cfg
		own.Command, own.Health, own.Signals = w.Command, w.Health, nil
		list = append(list, &supervisor{cfg: own, log: logger.With("program", w.Command[0]), left: left, companion: true})
	}
	return list
}

// errOver ends the companions of a program that has ended for good.
var errOver = errors.New("process: the program has ended")

// work runs all programs until the first one has ended well, one of them cannot be
// helped, or the lease or ctx has ended. It returns when all are gone.
func (p programs) work(ctx context.Context, l lease.Lease) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make(chan error)
	for _, s := range p {
		go func() { results <- s.work(ctx, l) }()
	}
	result := <-results // of whichever has returned first: the others run on until then
	cancel(errOver)
	for range p[1:] {
		<-results //nolint:errcheck // the first result counts
	}
	return result
}

type supervisor struct {
	cfg       Config
	log       *slog.Logger
	left      *guard.Left // calls of the log handler that have not returned
	companion bool
	failed    []time.Time // when the program has failed, within Within
}

// say logs by f. A handler that hangs, as when nothing reads standard error any more, must not keep a
// program alive.
func (s *supervisor) say(f func()) { guard.Tell(s.left, "the log handler", f) }

// errEnded is the failure of a companion that ends with code 0.
var errEnded = errors.New("code 0, although the other program still runs")

// work runs the program until it has ended well, or the lease, or ctx.
func (s *supervisor) work(ctx context.Context, l lease.Lease) error {
	for {
		err := s.once(ctx, l)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && !s.companion:
			return nil
		case err == nil:
			err = errEnded
		}
		s.say(func() { s.log.Warn("the program has failed", "reason", err.Error()) })
		if !s.again(time.Now()) {
			return fmt.Errorf("%w: %w", ErrNotHelped, err)
		}
		pause := time.NewTimer(s.cfg.Pause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// again notes a failure, and reports whether the program is started again.
func (s *supervisor) again(now time.Time) bool {
	s.failed = append(s.failed, now)
	for now.Sub(s.failed[0]) > s.cfg.Within {
		s.failed = s.failed[1:]
	}
	return len(s.failed) <= s.cfg.Restart
}

// once runs the program once, and returns when it is gone. The error is nil if it has
// ended with code 0 by itself.
func (s *supervisor) once(ctx context.Context, l lease.Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	forget(s.cfg.Signals)
	c, err := startChild(s.cfg, l)
	if err != nil {
		return err
	}
	s.say(func() { s.log.Info("the program was started", "token", l.Token) })
	feeding, fed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(fed)
		feed(c, l, feeding)
	}()
	unwell, stop := s.watch() //nolint:contextcheck // stop ends it
	why := s.await(ctx, c, l, unwell)
	stop()
	close(feeding)
	<-fed
	s.say(func() { s.log.Info("the program has ended", "how", c.how) })
	switch {
	case why != nil:
		return why
	case c.how != "code 0":
		return errors.New(c.how)
	default:
		return nil
	}
}

// forget drops the signals that came while the program did not run: most would end one that
// has just been started.
func forget(signals <-chan os.Signal) {
	for range len(signals) { // one that is closed has nothing to drop
		select {
		case <-signals:
		default: // another one has received it
		}
	}
}

// await waits until the program is gone, and has it end if there is a reason to, which
// it returns.
func (s *supervisor) await(ctx context.Context, c *child, l lease.Lease, unwell <-chan error) error {
	signals := s.cfg.Signals
	for {
		select {
		case <-c.ended:
			return nil
		case err := <-unwell:
			s.end(ctx, c, l)
			return err
		case <-ctx.Done():
			s.end(ctx, c, l)
			return ctx.Err()
		case got, open := <-signals:
			if !open {
				signals = nil
			}
			if number, ok := got.(syscall.Signal); ok {
				c.signal(number)
			}
		}
	}
}

// end ends the program: in good order while the lease stands, and at once if it does not
// any more.
func (s *supervisor) end(ctx context.Context, c *child, l lease.Lease) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	grace := time.NewTimer(s.cfg.Grace)
	defer grace.Stop()
	lost := func() bool { return errors.Is(context.Cause(ctx), lease.ErrLost) || !l.Valid() }
	if !lost() {
		c.signal(syscall.SIGTERM)
	}
	for !lost() {
		select {
		case <-c.ended:
			return
		case <-grace.C:
			s.say(func() { s.log.Warn("the program did not end in time, and is killed") })
			c.kill(goneLimit)
			return
		case <-tick.C:
		}
	}
	c.kill(2 * look)
}

// feed sends the guard the end of the lease whenever a renewal moves it.
func feed(c *child, l lease.Lease, until <-chan struct{}) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	last := end(l)
	c.until(last)
	for {
		select {
		case <-until:
			return
		case <-tick.C:
		}
		// Only renewals are sent, so that the pipe of a guard that is stopped does not fill: the
		// two clocks of an end are read at slightly different times.
		if now := end(l); now-last >= time.Millisecond {
			c.until(now)
			last = now
		}
	}
}

// end returns when the lease ends, by the clock that the guard has too, or a moment before.
func end(l lease.Lease) time.Duration { return lease.System() + l.Left() }

// watch asks for the program's health. unwell gets at most one error. stop ends it.
func (s *supervisor) watch() (unwell <-chan error, stop func()) {
	if s.cfg.Health == "" {
		return nil, func() {}
	}
	errs, well := make(chan error, 1), make(chan struct{}, 1)
	monitor, err := healthcheck.NewMonitor(s.cfg.HealthCheck, []healthcheck.Target{{
		Name: "program", Probes: healthcheck.Probes{Check: healthcheck.HTTPGet(nil, s.cfg.Health, healthcheck.HTTPOptions{})},
	}}, func(t report.HealthTransition) {
		if t.To == report.Healthy {
			offer(well, struct{}{})
		} else if t.To == report.Unhealthy && (t.From == report.Healthy || t.From == report.Suspect) {
			offer(errs, fmt.Errorf("unhealthy: %s", t.Reason))
		}
	})
	if err != nil {
		errs <- err
		return errs, func() {}
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		late := time.NewTimer(s.cfg.StartTime)
		defer late.Stop()
		select {
		case <-late.C:
			offer(errs, fmt.Errorf("it was not well within %v", s.cfg.StartTime))
		case <-well:
		case <-over:
		}
	}()
	return errs, func() {
		close(over)
		<-done
		_ = monitor.Close() // nothing is asked any more
	}
}

// offer sends a value if the channel has room.
func offer[V any](to chan<- V, value V) {
	select {
	case to <- value:
	default:
	}
}
