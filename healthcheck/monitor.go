package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cantonlb/cantonlb/configerr"
	"github.com/cantonlb/cantonlb/internal/checking"
	"github.com/cantonlb/cantonlb/internal/cleantext"
	"github.com/cantonlb/cantonlb/internal/fault"
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
	wg     sync.WaitGroup
	once   sync.Once
	list   []monitored
}

type monitored struct {
	target  Target
	checker *checking.Checker
}

// NewMonitor starts watching targets and continues until Close. onTransition, if
// not nil, is called for each change of a target's State. The calls for one target
// are made one at a time and in order; those for different targets may run
// concurrently. It should return quickly, and may call any method of the Monitor
// except Close.
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
		checker := checking.New(t.Name, cfg.Settings(), checking.Options{Budget: budget, OnTransition: told(onTransition)})
		m.list = append(m.list, monitored{target: t, checker: checker})
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	for _, e := range m.list {
		m.wg.Go(func() { e.checker.Run(ctx, e.target.Probes.checking()) })
	}
	return m, nil
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

// Close stops all probes, waits for them and closes them. It may be called more
// than once.
func (m *Monitor) Close() error {
	var errs []error
	m.once.Do(func() {
		m.cancel()
		m.wg.Wait()
		for _, e := range m.list {
			errs = append(errs, e.target.Probes.checking().Close())
		}
	})
	return errors.Join(errs...)
}

func told(f func(report.HealthTransition)) func(checking.Transition) {
	if f == nil {
		return nil
	}
	return func(t checking.Transition) { f(t.HealthTransition) }
}
