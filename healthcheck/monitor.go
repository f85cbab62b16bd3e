package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/event"
	"github.com/cantonlb/cantonlb/internal/fault"
	"github.com/cantonlb/cantonlb/internal/guard"
	"github.com/cantonlb/cantonlb/internal/sleep"
	"github.com/cantonlb/cantonlb/report"
)

// Target is one endpoint that a Monitor watches.
type Target struct {
	// Name is unique within the Monitor.
	Name string
	// Probes determine the target's health. Check is required. Probes that implement
	// io.Closer are closed by the Monitor.
	Probes Probes
}

// TargetStatus is a snapshot of one target of a Monitor.
type TargetStatus struct {
	Name string `json:"name"`
	// HealthStatus is the result of its probes.
	report.HealthStatus
}

// Monitor watches the health of any list of targets, without a gRPC channel:
// databases, HTTP services, or gRPC servers that something else calls. Its methods
// are safe for concurrent use.
type Monitor struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup // the checkers
	once   sync.Once
	left   guard.Left // closings of probes that have not returned in time
	list   []monitored
}

type monitored struct {
	target  Target
	checker *checking.Checker
	changes *event.Log[report.HealthTransition]
	told    chan struct{} // closed when onTransition is called no more
}

const (
	// keptTransitions bounds the changes of one target that wait for onTransition.
	keptTransitions = 1024
	// closePatience bounds how long Close waits for code of the program.
	closePatience = 900 * time.Millisecond
)

// NewMonitor starts watching targets and continues until Close. onTransition, if
// not nil, is called for each change of a target's State. The calls for one target
// are made one at a time and in order, by a goroutine of that target; those for
// different targets may run concurrently. A call that blocks does not delay probes: up
// to 1,024 changes of its target wait for it, and older ones are then left out. A
// panic in it is logged by grpc's logger.
//
// The error reports everything that is wrong with cfg and targets: it is a
// *configerr.Error, or several joined. In that case nothing has been started and
// the probes have not been closed.
func NewMonitor(cfg Config, targets []Target, onTransition func(report.HealthTransition)) (*Monitor, error) {
	if err := checkTargets(cfg, targets); err != nil {
		return nil, err
	}
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	m := &Monitor{list: make([]monitored, 0, len(targets))}
	budget := checking.NewBudget(0, 0)
	for _, t := range targets {
		e := monitored{target: t, changes: event.NewLog[report.HealthTransition](keptTransitions), told: make(chan struct{})}
		options := checking.Options{Budget: budget}
		if onTransition != nil {
			options.OnTransition = func(t checking.Transition) {
				if t.From != t.To {
					e.changes.Append(t.HealthTransition)
				}
			}
		}
		e.checker = checking.New(t.Name, cfg.Settings(), options)
		m.list = append(m.list, e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	for _, e := range m.list {
		reader := e.changes.Reader()
		m.wg.Go(func() { e.checker.Run(ctx, e.target.Probes.checking()) })
		go func() {
			defer close(e.told)
			tell(ctx, reader, onTransition)
		}()
	}
	return m, nil
}

// tell calls f for each change, until ctx ends.
func tell(ctx context.Context, changes *event.Reader[report.HealthTransition], f func(report.HealthTransition)) {
	for {
		batch, _, err := changes.Next(ctx)
		if err != nil {
			return
		}
		for _, t := range batch {
			if ctx.Err() != nil {
				return
			}
			guard.Call("the function that a Monitor calls for each change of health", func() { f(t) })
		}
	}
}

func checkTargets(cfg Config, targets []Target) error {
	var faults fault.List
	faults.Add(cfg.check())
	if len(targets) == 0 {
		faults.Add(&configerr.Error{Field: "targets", Problem: "empty list", Want: "at least one target"})
	}
	seen := make(map[string]int, len(targets))
	for i, t := range targets {
		field := fmt.Sprintf("targets[%d]", i)
		const wantName = "a unique name"
		if j, taken := seen[t.Name]; taken {
			faults.AddIn(field, &configerr.Error{
				Field: "name", Value: fault.Quote(t.Name), Problem: fmt.Sprintf("the name of targets[%d] already", j), Want: wantName,
			})
		} else if t.Name == "" {
			faults.AddIn(field, &configerr.Error{Field: "name", Problem: "empty", Want: wantName})
		} else {
			seen[t.Name] = i
		}
		if t.Probes.Check == nil {
			faults.AddIn(field, &configerr.Error{Value: fault.Quote(t.Name), Problem: "no Check probe", Want: "one"})
		}
	}
	return faults.Err()
}

// Status returns a snapshot of every target, in the order of the list.
func (m *Monitor) Status() []TargetStatus {
	out := make([]TargetStatus, len(m.list))
	for i, e := range m.list {
		out[i] = TargetStatus{Name: e.target.Name, HealthStatus: e.checker.Status()}
		out[i].Probe.Target = e.target.Probes.Check.Target()
	}
	return out
}

// ProbeNow probes every target at once instead of at its next interval, as far as
// the budget allows.
func (m *Monitor) ProbeNow() {
	for _, e := range m.list {
		e.checker.ProbeNow()
	}
}

// Doubt makes a healthy target suspect and probes it at once. A name that is not in
// the list is an error.
func (m *Monitor) Doubt(name string, r report.Reason) error {
	for _, e := range m.list {
		if e.target.Name == name {
			e.checker.Doubt(r)
			return nil
		}
	}
	return fmt.Errorf("no target %q in the list", cleantext.Detail(name))
}

// Close stops all probes, waits for them and for onTransition, and closes the probes.
// It returns within a second: code of the program that has not returned by then is
// left alone, and the error names it. It may be called more than once; only the first
// call returns an error.
func (m *Monitor) Close() error {
	var err error
	m.once.Do(func() { err = m.close() })
	return err
}

func (m *Monitor) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	m.cancel()
	m.wg.Wait() // a probe that ignores its context is left alone
	var closings sync.WaitGroup
	errs := make([]error, len(m.list)+1)
	for i, e := range m.list {
		closings.Go(func() { errs[i] = m.closeProbes(ctx, e.target) })
	}
	var left []string
	for _, e := range m.list {
		if !sleep.Until(ctx, e.told) {
			left = append(left, fmt.Sprintf("the function that is called for each change of %q", e.target.Name))
		}
		left = append(left, e.checker.Left())
	}
	closings.Wait()
	left = slices.DeleteFunc(append(left, m.left.String()), func(text string) bool { return text == "" })
	if len(left) > 0 {
		errs[len(m.list)] = fmt.Errorf("healthcheck: closed, although code of the program has not returned: %s", strings.Join(left, ", "))
	}
	return errors.Join(errs...)
}

// closeProbes closes the probes of one target, which are code of the program. Close
// reports a closing that does not return by the end of ctx.
func (m *Monitor) closeProbes(ctx context.Context, t Target) error {
	what := fmt.Sprintf("the closing of the probes of %q", t.Name)
	err, left := guard.Await(ctx, &m.left, what, 1, func() error { return t.Probes.checking().Close() }, nil)
	if errors.Is(left, context.DeadlineExceeded) {
		return nil
	}
	return errors.Join(err, left)
}
